/** What the programs of `npm run conform:…` have in common: their exit codes, their words, how they end. */
import { readFileSync } from "node:fs";
import { type ParseArgsConfig, parseArgs } from "node:util";
import { describe } from "../../src/base/errors.ts";
import {
  Broken,
  type Runnable,
  resultText,
  runAll,
  summaryText,
} from "../../test/conformance/run.ts";
import { guardOutput } from "../tool.ts";
import { UsageError } from "./usage.ts";

/** Of sysexits.h, but for 1. */
export const exit = {
  ok: 0,
  broken: 1,
  usage: 64,
  noInput: 66,
  unavailable: 69,
  internal: 70,
} as const;

export { UsageError };

class FileError extends Error {}

/** @throws FileError for a file that cannot be read */
export function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new FileError(describe(error));
  }
}

export const say = (text: string) => void process.stdout.write(`${text}\n`);

export const text = { type: "string" } as const;
export const flag = { type: "boolean", default: false } as const;

/** Options that all of them have. */
const common = {
  only: { ...text, multiple: true },
  list: flag,
  strict: flag,
  json: flag,
  help: { ...flag, short: "h" },
} as const;

type OptionTable = NonNullable<ParseArgsConfig["options"]>;

/** Options as they were typed. @throws UsageError */
export function typed<const Options extends OptionTable>(
  args: readonly string[],
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options: { ...common, ...options } }).values;
  } catch (error) {
    throw new UsageError((error as Error).message.split(". ")[0]);
  }
}

/** What was asked for instead of a run, if so. */
export function instead(values: { help: boolean; list: boolean }): "help" | "list" | undefined {
  if (values.help) return "help";
  return values.list ? "list" : undefined;
}

/** Which cases, and how they are told. */
export function tellingOf(values: { only?: string[]; strict: boolean; json: boolean }): Telling {
  const { only = [], strict, json } = values;
  return { only, strict, json };
}

/**
 * `--answer-timeout S`, in ms.
 * @param standard s
 * @throws UsageError
 */
export function answerMsOf(value: string | undefined, standard: number): number {
  const seconds = Number(value ?? standard);
  if (seconds >= 0.1 && seconds <= 300) return seconds * 1_000;
  throw new UsageError("--answer-timeout: expected seconds, 0.1 to 300");
}

/** How cases are picked and told. */
export interface Telling {
  readonly only: readonly string[];
  readonly strict: boolean;
  readonly json: boolean;
}

/** Those of `--only`, or all; `--strict`: what should be must be. @throws UsageError */
export function picked(cases: readonly Runnable[], { only, strict }: Telling): Runnable[] {
  const unknown = only.find((id) => !cases.some((one) => one.id === id));
  if (unknown !== undefined) throw new UsageError(`--only: there is no case ${unknown}`);
  return cases
    .filter(({ id }) => only.length === 0 || only.includes(id))
    .map((one) => (strict ? { ...one, level: "must" as const } : one));
}

/** Runs cases and tells what each came to. @returns the exit code */
export async function tell(
  subject: string,
  cases: readonly Runnable[],
  { json }: Telling,
): Promise<number> {
  const report = await runAll(subject, cases, (result) => {
    if (!json) say(resultText(result));
  });
  say(json ? JSON.stringify(report) : `\n${summaryText(report)}`);
  return report.failed > 0 ? exit.broken : exit.ok;
}

/** What is behind the usual codes of a connection that fails. */
const advice: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nothing listens there: does it run, and on this port?",
  ENOTFOUND: "no address is known for this name",
  EAI_AGAIN: "the name server does not answer",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate has another name: --server-name says which it should have",
  DEPTH_ZERO_SELF_SIGNED_CERT: "its certificate is not from the CA of --ca",
  SELF_SIGNED_CERT_IN_CHAIN: "its certificate is not from the CA of --ca",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "its certificate is not from the CA of --ca",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "its certificate is not from the CA of --ca",
  CERT_HAS_EXPIRED: "its certificate has expired",
  EPROTO: "what answers does not speak the TLS that is wanted",
};

/** Tries whether it can be connected to. @throws Broken with what may help */
export async function reach(connect: () => Promise<{ destroy(): void }>): Promise<void> {
  try {
    (await connect()).destroy();
  } catch (error) {
    if (!(error instanceof Broken)) throw error;
    const code = /[A-Z][A-Z0-9_]+$/.exec(error.message)?.[0] ?? "";
    const hint = advice[code];
    throw new Broken(hint === undefined ? error.message : `${error.message}: ${hint}`);
  }
}

/**
 * Does the program's work, and ends the process with its exit code.
 * @param name as in `npm run NAME`
 */
export async function program(name: string, work: () => Promise<number>): Promise<void> {
  guardOutput(name);
  const code = await work().catch((error: unknown) => {
    const complain = (text: string) => process.stderr.write(`${name}: ${text}\n`);
    if (error instanceof UsageError) {
      complain(`${error.message} (npm run ${name} -- --help tells more)`);
      return exit.usage;
    }
    complain(
      error instanceof Broken || error instanceof FileError ? error.message : describe(error),
    );
    if (error instanceof FileError) return exit.noInput;
    return error instanceof Broken ? exit.unavailable : exit.internal;
  });
  // What a case that was given up still waits for keeps the program no longer.
  // An error has an event of its own, which ends it with another code.
  process.stdout.write("", (error) => {
    if (!error) process.exit(code);
  });
}
