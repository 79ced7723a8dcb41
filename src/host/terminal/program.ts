/**
 * A program's command line: finds the command in a table, refuses what the command does not look at, and ends
 * the process with its exit code (sysexits.h).
 */
import { type ParseArgsConfig, parseArgs } from "node:util";
import { describe, Fault } from "../../base/errors.ts";
import { exit } from "../../base/exit-codes.ts";
import { softwareVersion } from "../../base/version.ts";
import { didYouMean } from "../../base/words.ts";
import { placeOf } from "../life/crashes.ts";
import { endBySignals, isStopRequested } from "../life/signals.ts";
import { type Terminal, tidy } from "./terminal.ts";

/** What a person is told, and the exit code that goes with it. */
export class ExitError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode: number) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line is wrong. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** Options as they were typed. */
export type Typed<Options extends OptionTable> = ReturnType<
  typeof parseArgs<{ options: Options; allowPositionals: true }>
>["values"];

export interface Asked<Values> {
  /** `--config`, or where the configuration usually is. */
  readonly file: string;
  readonly values: Values;
  /** Words after the command's name. */
  readonly words: readonly string[];
}

export interface Command<Values> {
  /** Its name, and the words that it takes in capitals: `store check`, `key show ID`, `check-config [FILE]`. */
  readonly call: string;
  /** Options that it looks at, beside `--config`. */
  readonly options?: readonly (keyof Values & string)[];
  /** Runs until it is told to stop, and then stops in order; any other ends by the signal. */
  readonly isDaemon?: boolean;
  /** @returns the exit code */
  run(asked: Asked<Values>): Promise<number> | number;
}

export interface Program<Options extends OptionTable> {
  readonly name: string;
  readonly usage: string;
  /** Where its configuration usually is. */
  readonly standardConfig: string;
  /** Those of its commands; every program has `--config`, `--help` and `--version`. */
  readonly options: Options;
  readonly commands: readonly Command<Typed<Options>>[];
}

const common = {
  config: { type: "string", short: "c" },
  help: { type: "boolean", short: "h" },
  version: { type: "boolean" },
} as const satisfies OptionTable;

interface Form {
  /** The words of its name. */
  readonly name: readonly string[];
  /** How many more words it takes. */
  readonly least: number;
  readonly most: number;
}

function formOf({ call }: { readonly call: string }): Form {
  const words = call.split(" ");
  const name = words.filter((word) => /^[a-z]/.test(word));
  const wanted = words.slice(name.length);
  const least = wanted.filter((word) => !word.startsWith("[")).length;
  return { name, least, most: wanted.length };
}

/** Those whose name begins with this word. @throws UsageError if there is none */
function namedBy<One extends { readonly call: string }>(
  commands: readonly One[],
  first: string,
): readonly One[] {
  const named = commands.filter((one) => formOf(one).name[0] === first);
  if (named.length > 0) return named;
  const firsts = new Set(commands.map((one) => formOf(one).name[0] as string));
  throw new UsageError(`no such command: ${tidy(first)}${didYouMean(first, [...firsts])}`);
}

/** @throws UsageError */
function commandOf<One extends { readonly call: string }>(
  commands: readonly One[],
  words: readonly string[],
): { readonly command: One; readonly rest: readonly string[] } {
  const [first] = words;
  if (first === undefined) throw new UsageError("which command?");
  const named = namedBy(commands, first);
  const command = named.find((one) => formOf(one).name.every((word, i) => words[i] === word));
  const meant = () => named.map(({ call }) => call).join(", or ");
  if (command === undefined) throw new UsageError(`${meant()}?`);
  const { name, least, most } = formOf(command);
  const rest = words.slice(name.length);
  if (rest.length < least) throw new UsageError(command.call);
  const odd = rest[most];
  if (odd !== undefined) {
    throw new UsageError(`one command at a time: ${tidy(odd)} is one too many`);
  }
  return { command, rest };
}

/** What `parseArgs` says is wrong; its other sentences are advice on `--` and `=`, which no option here needs. */
export function firstSentence(message: string): string {
  return message.split(/\.\s/)[0] as string;
}

/** @returns the option that `parseArgs` found without its value: the command line ends, or a dash follows */
export function valueless(message: string): string | undefined {
  const said = /^Option '(?:-\w, )?--?([\w-]+)[^']*' argument (?:is ambiguous|missing)/;
  return said.exec(message)?.[1];
}

/** @returns an option whose value has no letter: a variable of the shell that is not set */
export function emptyOption(values: Readonly<Record<string, unknown>>): string | undefined {
  return Object.keys(values).find((name) => values[name] === "");
}

/** @throws UsageError */
function parse(args: readonly string[], options: OptionTable) {
  const needsValue = (name: string) => new UsageError(`--${name} needs a value`);
  let parsed: ReturnType<typeof parseArgs<{ options: OptionTable; allowPositionals: true }>>;
  try {
    parsed = parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    const { message } = error as Error;
    const bare = valueless(message);
    throw bare === undefined ? new UsageError(firstSentence(message)) : needsValue(bare);
  }
  const empty = emptyOption(parsed.values);
  if (empty !== undefined) throw needsValue(empty);
  return parsed;
}

async function go<Options extends OptionTable>(
  { usage, standardConfig, options, commands }: Program<Options>,
  terminal: Terminal,
  args: readonly string[],
): Promise<number> {
  const { values, positionals } = parse(args, { ...options, ...common });
  const daemons = commands.filter(({ isDaemon }) => isDaemon);
  // Another word may have been "run": the name of a file.
  if (!daemons.some((one) => formOf(one).name[0] === positionals[0])) endBySignals();
  if (values.help || values.version) {
    terminal.say(values.help ? usage.trimEnd() : softwareVersion);
    return exit.ok;
  }
  const [first, ...asked] = positionals;
  if (first === "help") {
    // One text has all of them; a word that is none is told as when it is called.
    if (asked[0] !== undefined) namedBy(commands, asked[0]);
    terminal.say(usage.trimEnd());
    return exit.ok;
  }
  const { command, rest } = commandOf(commands, positionals);
  const known = new Set<string>([...(command.options ?? []), "config"]);
  const odd = Object.keys(values).find((option) => !known.has(option));
  if (odd !== undefined) {
    throw new UsageError(`--${odd} has no use with ${formOf(command).name.join(" ")}`);
  }
  // Told to stop while it was loaded: nothing was begun.
  if (command.isDaemon && (await isStopRequested())) return exit.ok;
  const file = typeof values.config === "string" ? values.config : standardConfig;
  return command.run({ file, values: values as Typed<Options>, words: rest });
}

/**
 * Says what went wrong, in as few lines as that takes.
 * @param help how the program is asked for help
 * @returns an exit code
 */
export function explain(
  error: unknown,
  name: string,
  terminal: Pick<Terminal, "complain">,
  help = `${name} --help`,
): number {
  if (error instanceof UsageError) {
    terminal.complain(`${name}: ${error.message}\nTry: ${help}`);
    return exit.usage;
  }
  if (error instanceof ExitError) {
    terminal.complain(`${name}: ${error.message}`);
    return error.exitCode;
  }
  const { located, syscall } = error as { located?: readonly string[]; syscall?: string };
  if (error instanceof Fault) {
    for (const line of located ?? [`${name}: ${describe(error)}`]) terminal.complain(line);
    return located === undefined ? exit.io : exit.config;
  }
  if (syscall === "uv_cwd") {
    terminal.complain(`${name}: the current folder is gone: name files by their whole path (/...)`);
    return exit.io;
  }
  // What others say may quote what they were given.
  const what = `${describe(error)}${placeOf(error)}`;
  terminal.complain(`${name}: internal error: ${what}; please report it`);
  return exit.software;
}

/** Carries out a command line, and ends the process with its exit code. */
export async function begin<const Options extends OptionTable>(
  program: Program<Options>,
  terminal: Terminal,
  args: readonly string[],
): Promise<void> {
  // Timers of the clock keep no process alive.
  setInterval(() => {}, 60_000);
  const code = await go(program, terminal, args).catch((error: unknown) =>
    explain(error, program.name, terminal),
  );
  await terminal.written();
  process.exit(code);
}
