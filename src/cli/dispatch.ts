/**
 * Finds the command that an operator typed, or systemd starts, and calls it. Each brings in what it needs
 * when it is called, and nothing else: an answer is there before a person has looked up.
 */
import { parseArgs } from "node:util";
import { exit } from "../exit-codes.ts";
import { endBySignals } from "../lifecycle/signals.ts";
import { softwareVersion } from "../version.ts";
import { Complaint } from "./client.ts";
import { allOptions, findCommand, optionsOf } from "./commands.ts";
import { Context, UsageError } from "./context.ts";
import { openTerminal } from "./terminal.ts";

interface Command {
  run(context: Context): Promise<number>;
}

const load: Readonly<Record<string, () => Promise<Command>>> = {
  status: () => import("./status.ts"),
  keys: () => import("./keys.ts"),
  telemetry: () => import("./telemetry.ts"),
  alarms: () => import("./alarms.ts"),
  events: () => import("./events.ts"),
  links: () => import("./links.ts"),
  certs: () => import("./certs.ts"),
  config: () => import("./config.ts"),
  doctor: () => import("./doctor.ts"),
  logs: () => import("./logs.ts"),
  "support-bundle": () => import("./support-bundle.ts"),
  start: async () => (await import("./act.ts")).actor("start"),
  stop: async () => (await import("./act.ts")).actor("stop"),
  "self-test": async () => (await import("./act.ts")).actor("self_test"),
  zeroize: async () => (await import("./act.ts")).actor("zeroize"),
  kept: () => import("./kept.ts"),
  release: async () => (await import("./decide.ts")).decision("release_quarantine"),
  discard: async () => (await import("./decide.ts")).decision("discard_quarantine"),
  withhold: async () => (await import("./decide.ts")).decision("withhold"),
  "free-km": async () => (await import("./decide.ts")).decision("free_km"),
  "accept-km": async () => (await import("./decide.ts")).decision("accept_km"),
  "accept-module": async () => (await import("./decide.ts")).decision("accept_module"),
  "clear-tamper": () => import("./clear-tamper.ts"),
  update: () => import("./update.ts"),
  probe: () => import("./probe.ts"),
  run: () => import("./run.ts"),
  "check-config": () => import("./check-config.ts"),
  ledger: async () => (await import("./mend.ts")).mender("ledger"),
  state: async () => (await import("./mend.ts")).mender("state"),
  console: () => import("./console.ts"),
  completion: () => import("./completion.ts"),
  schema: () => import("./print-schema.ts"),
};

/** Those that stop in order; any other ends by the signal. */
const orderly: readonly string[] = ["run", "console"];

const terminal = openTerminal(process.stdout, process.stderr, process.env);

function parse(args: string[]) {
  const options = Object.fromEntries(
    [...allOptions(), ["version", false] as const].map(([name, valued]) => [
      name,
      {
        type: valued ? ("string" as const) : ("boolean" as const),
        ...(name.length === 1 && { short: name }),
        ...(name === "help" && { short: "h" }),
      },
    ]),
  );
  try {
    return parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    // Node appends advice on `--` to some of its messages.
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

async function main(args: string[]): Promise<number> {
  const { values, positionals } = parse(args);
  const [name, ...rest] = positionals;
  if (!orderly.includes(name ?? "")) endBySignals();
  if (values.version === true) {
    terminal.say(softwareVersion);
    return exit.ok;
  }
  const asked = name === "help" ? rest[0] : name;
  if (values.help === true || name === "help") {
    const { commandHelp, generalHelp } = await import("./help.ts");
    const command = asked === undefined ? undefined : findCommand(asked);
    const text = command === undefined ? generalHelp(softwareVersion) : commandHelp(command);
    terminal.say(text.trimEnd());
    return exit.ok;
  }
  if (name === undefined) throw new UsageError("a command is needed");
  const command = findCommand(name);
  if (command === undefined) throw new UsageError(`no such command: ${name}`);
  const known = optionsOf(command).map((option) => option.name);
  const odd = Object.keys(values).find((option) => !known.includes(option));
  if (odd !== undefined) throw new UsageError(`${name} has no option --${odd}`);
  const most = command.most ?? (command.args === "" || command.args.startsWith("--") ? 0 : 1);
  if (rest.length > most) throw new UsageError(`${name} ${command.args}`.trim());
  const { run } = await (load[name] as () => Promise<Command>)();
  return run(new Context(values as Context["values"], rest, terminal, process.env));
}

/** @returns an exit code */
function explain(error: unknown): number {
  if (error instanceof UsageError) {
    terminal.complain(`qkd-node: ${error.message}\nTry: qkd-node --help`);
    return exit.usage;
  }
  if (error instanceof Complaint) {
    terminal.complain(`qkd-node: ${error.message}`);
    return error.exitCode;
  }
  const { located } = error as { located?: readonly string[] };
  if (!(error instanceof Error && error.name === "Fault" && Array.isArray(located))) throw error;
  for (const problem of located) terminal.complain(problem);
  return exit.config;
}

/** Carries out a command line, and ends the process with its exit code. */
export async function begin(args: string[]): Promise<void> {
  // Timers of the clock keep no process alive, and a device that is polled has nothing else.
  setInterval(() => {}, 60_000);
  const code = await main(args).catch(explain);
  // Whatever a library left open must not keep a node from ending: all of ours is closed by now.
  process.exit(code);
}
