/**
 * `qkd-node`: what an operator types, and what systemd starts. Each command brings in what it needs
 * when it is called, and nothing else: an answer is there before a person has looked up.
 */
import { parseArgs } from "node:util";
import { Complaint } from "./cli/client.ts";
import { allOptions, findCommand, optionsOf } from "./cli/commands.ts";
import { Context, UsageError } from "./cli/context.ts";
import { openTerminal } from "./cli/terminal.ts";
import { exit } from "./exit-codes.ts";
import { softwareVersion } from "./version.ts";

interface Command {
  run(context: Context): Promise<number>;
}

const load: Readonly<Record<string, () => Promise<Command>>> = {
  status: () => import("./cli/status.ts"),
  keys: () => import("./cli/keys.ts"),
  telemetry: () => import("./cli/telemetry.ts"),
  alarms: () => import("./cli/alarms.ts"),
  events: () => import("./cli/events.ts"),
  links: () => import("./cli/links.ts"),
  certs: () => import("./cli/certs.ts"),
  config: () => import("./cli/config.ts"),
  doctor: () => import("./cli/doctor.ts"),
  logs: () => import("./cli/logs.ts"),
  "support-bundle": () => import("./cli/support-bundle.ts"),
  start: async () => (await import("./cli/act.ts")).actor("start"),
  stop: async () => (await import("./cli/act.ts")).actor("stop"),
  "self-test": async () => (await import("./cli/act.ts")).actor("self_test"),
  zeroize: async () => (await import("./cli/act.ts")).actor("zeroize"),
  kept: () => import("./cli/kept.ts"),
  release: async () => (await import("./cli/decide.ts")).decision("release_quarantine"),
  discard: async () => (await import("./cli/decide.ts")).decision("discard_quarantine"),
  withhold: async () => (await import("./cli/decide.ts")).decision("withhold"),
  "free-km": async () => (await import("./cli/decide.ts")).decision("free_km"),
  "accept-km": async () => (await import("./cli/decide.ts")).decision("accept_km"),
  "accept-module": async () => (await import("./cli/decide.ts")).decision("accept_module"),
  "clear-tamper": () => import("./cli/clear-tamper.ts"),
  update: () => import("./cli/update.ts"),
  probe: () => import("./cli/probe.ts"),
  run: () => import("./cli/run.ts"),
  "check-config": () => import("./cli/check-config.ts"),
  ledger: async () => (await import("./cli/mend.ts")).mender("ledger"),
  state: async () => (await import("./cli/mend.ts")).mender("state"),
  console: () => import("./cli/console.ts"),
  completion: () => import("./cli/completion.ts"),
  schema: () => import("./cli/print-schema.ts"),
};

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
  if (values.version === true) {
    terminal.say(softwareVersion);
    return exit.ok;
  }
  const asked = name === "help" ? rest[0] : name;
  if (values.help === true || name === "help") {
    const { commandHelp, generalHelp } = await import("./cli/help.ts");
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
  const { problems } = error as { problems?: readonly string[] };
  if (!(error instanceof Error && error.name === "Fault" && Array.isArray(problems))) throw error;
  for (const problem of problems) terminal.complain(problem);
  return exit.config;
}

async function begin(args: string[]): Promise<void> {
  // Timers of the clock keep no process alive, and a device that is polled has nothing else.
  setInterval(() => {}, 60_000);
  const code = await main(args).catch(explain);
  // Whatever a library left open must not keep a node from ending: all of ours is closed by now.
  process.exit(code);
}

// No `await` here: the production build is CommonJS, which starts faster.
void begin(process.argv.slice(2));
