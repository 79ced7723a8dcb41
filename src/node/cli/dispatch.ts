/**
 * Finds the command that an operator typed, or systemd starts, and calls it. Each brings in what it needs
 * when it is called, and nothing else: an answer is there before a person has looked up.
 */
import { parseArgs } from "node:util";
import { exit } from "../../base/exit-codes.ts";
import { softwareVersion } from "../../base/version.ts";
import { didYouMean, nearest } from "../../base/words.ts";
import { endBySignals } from "../../host/life/signals.ts";
import {
  emptyOption,
  explain,
  firstSentence,
  UsageError,
  valueless,
} from "../../host/terminal/program.ts";
import { openTerminal, tidy } from "../../host/terminal/terminal.ts";
import type { ConfigReaders } from "../config/readers.ts";
import { allOptions, type CommandInfo, commands, findCommand, optionsOf } from "./commands.ts";
import { Context } from "./context.ts";

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
  ledger: async () => (await import("./repair-command.ts")).repairCommand("ledger"),
  state: async () => (await import("./repair-command.ts")).repairCommand("state"),
  console: () => import("./console.ts"),
  completion: () => import("./completion.ts"),
  schema: () => import("./print-schema.ts"),
};

/** Those that stop in order; any other ends by the signal. */
const orderly: readonly string[] = ["run", "console"];

const terminal = openTerminal(process.stdout, process.stderr, process.env);

/** The command that was meant, for hints: the first word. */
function commandIn(args: readonly string[]): CommandInfo | undefined {
  const name = args.find((word) => !word.startsWith("-"));
  return name === undefined ? undefined : findCommand(name);
}

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
    const parsed = parseArgs({ args, allowPositionals: true, options });
    const empty = emptyOption(parsed.values);
    if (empty === undefined) return parsed;
    throw new UsageError(needsValue(empty, commandIn(args)));
  } catch (error) {
    if (error instanceof UsageError) throw error;
    throw new UsageError(wrongOption((error as Error).message, commandIn(args)));
  }
}

/** What Node says of a wrong option, without its advice on `--` and `=`, which no option here needs. */
function wrongOption(message: string, command: CommandInfo | undefined): string {
  const [, odd] = /^Unknown option '--?([\w-]+)/.exec(message) ?? [];
  if (odd !== undefined) return firstSentence(message) + nearOption(odd, command);
  const bare = valueless(message);
  return bare === undefined ? firstSentence(message) : needsValue(bare, command);
}

function needsValue(bare: string, command: CommandInfo | undefined): string {
  const known = command === undefined ? commands.flatMap(optionsOf) : optionsOf(command);
  const meant = known.find(({ name }) => name === bare);
  if (meant === undefined) return noOption(command?.name ?? "qkd-node", bare, command);
  const dashed = `${bare.length === 1 ? "-" : "--"}${bare}`;
  return `${dashed} needs a value: ${dashed} ${meant.value ?? "VALUE"}`;
}

function noOption(name: string, odd: string, command: CommandInfo | undefined): string {
  return `${name} has no option --${odd}${nearOption(odd, command)}`;
}

function nearOption(typed: string, command: CommandInfo | undefined): string {
  const known =
    command === undefined ? [...allOptions().keys()] : optionsOf(command).map(({ name }) => name);
  const near = nearest(typed, known);
  return near === undefined ? "" : `; did you mean --${near}?`;
}

/** @throws UsageError */
function known(name: string): CommandInfo {
  const command = findCommand(name);
  if (command !== undefined) return command;
  const near = didYouMean(
    name,
    commands.map((one) => one.name),
  );
  throw new UsageError(`no such command: ${tidy(name)}${near}`);
}

async function main(args: string[], readers: () => Promise<ConfigReaders>): Promise<number> {
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
    const text = asked === undefined ? generalHelp(softwareVersion) : commandHelp(known(asked));
    terminal.say(text.trimEnd());
    return exit.ok;
  }
  if (name === undefined) throw new UsageError("a command is needed");
  const command = known(name);
  const own = optionsOf(command).map((option) => option.name);
  const odd = Object.keys(values).find((option) => !own.includes(option));
  if (odd !== undefined) throw new UsageError(noOption(name, odd, command));
  const [word] = rest;
  const { words = [] } = command;
  const usage = `${name} ${command.args}`.trim();
  if (word !== undefined && words.length > 0 && !words.includes(word)) {
    throw new UsageError(usage + didYouMean(word, words));
  }
  const most = command.most ?? (command.args === "" || command.args.startsWith("--") ? 0 : 1);
  if (rest.length > most) throw new UsageError(usage);
  const { run } = await (load[name] as () => Promise<Command>)();
  return run(new Context(values as Context["values"], rest, terminal, process.env, readers));
}

/**
 * Carries out a command line, and ends the process with its exit code.
 * @param readers of configurations, for the commands that need one
 */
export async function begin(args: string[], readers: () => Promise<ConfigReaders>): Promise<void> {
  // Timers of the clock keep no process alive, and a device that is polled has nothing else.
  setInterval(() => {}, 60_000);
  const meant = commandIn(args);
  const help = `qkd-node ${meant === undefined ? "" : `${meant.name} `}--help`;
  const failed = (error: unknown) => explain(error, "qkd-node", terminal, help);
  // The daemon has a way of its own.
  if (!args.includes("run"))
    process.on("uncaughtException", (error) => process.exit(failed(error)));
  const code = await main(args, readers).catch(failed);
  await terminal.written();
  // Whatever a library left open must not keep a node from ending: all of ours is closed by now.
  process.exit(code);
}
