/** `qkd-node logs`: from the node's memory, or from the journal if it does not run. */
import { spawn } from "node:child_process";
import { exit } from "../../base/exit-codes.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { tidy } from "../../host/terminal/terminal.ts";
import { CliError, NotRunning } from "../../ops/cli/client.ts";
import { parseGrep, parseSince, timeOfLine } from "../../ops/cli/since.ts";
import type { Context } from "./context.ts";
import { LogView } from "./log-view.ts";

interface Lines {
  readonly lines: readonly string[];
}

/** What is wanted of the log. */
interface Wanted {
  /** Lines at most, the last ones. */
  readonly n: number;
  readonly follow: boolean;
  /** ms since 1970 UTC */
  readonly since: number | undefined;
  readonly grep: RegExp | undefined;
}

/** Lines that the node keeps. */
const most = 2_000;

export async function run(context: Context): Promise<number> {
  const wanted = wantedOf(context);
  const tell = teller(context);
  const unit = context.text("unit");
  if (unit !== undefined) return journal(unit, wanted, tell);
  const { n, follow, since, grep } = wanted;
  // What is left out is looked for among all that there are.
  const args = { n: since === undefined && grep === undefined ? n : most };
  try {
    if (follow) {
      for await (const { lines } of context.follow<Lines>("logs", { ...args, follow })) {
        const chosen = choose(lines, wanted);
        if (chosen.length > 0 || lines.length === 0) tell(chosen);
      }
      return exit.ok;
    }
    const { lines } = await context.ask<Lines>("logs", args);
    if (since === undefined || lines.some((line) => timeOfLine(line) !== undefined)) {
      tell(choose(lines, wanted));
      return exit.ok;
    }
    context.terminal.complain(
      "qkd-node: lines in the node's memory have no times (log.timestamps)",
    );
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    context.terminal.complain(`qkd-node: ${error.message}; this is the journal`);
  }
  return journal("qkd-node", wanted, tell);
}

/** @throws UsageError */
function wantedOf(context: Context): Wanted {
  const [from, pattern] = [context.text("since"), context.text("grep")];
  const since = from === undefined ? undefined : parseSince(from, Date.now());
  if (from !== undefined && since === undefined) {
    throw new UsageError("--since: expected a time, such as 10m, 2h, 14:30 or 2026-01-31 14:30");
  }
  const grep = pattern === undefined ? undefined : parseGrep(pattern);
  if (pattern !== undefined && grep === undefined) {
    throw new UsageError("--grep: expected a regular expression");
  }
  const n = context.number("n", since === undefined ? 50 : most, 1, most);
  return { n, follow: context.values.follow === true, since, grep };
}

function choose(lines: readonly string[], { n, since, grep }: Wanted): readonly string[] {
  const chosen = lines.filter((line) => {
    const at = since === undefined ? undefined : timeOfLine(line);
    return (at === undefined || at >= (since ?? 0)) && grep?.test(line) !== false;
  });
  return chosen.slice(-n);
}

type Tell = (lines: readonly string[]) => void;

/** Programs are given the lines as they were written. */
function teller(context: Context): Tell {
  const view = new LogView();
  return (lines) => context.print({ lines }, () => view.show(lines).map(tidy));
}

/** @throws CliError if there is no journal */
async function journal(
  unit: string,
  { n, follow, since, grep }: Wanted,
  tell: Tell,
): Promise<number> {
  if (!/^[\w@.:-]{1,128}$/.test(unit)) throw new UsageError("--unit: expected the name of a unit");
  const from = since === undefined ? [] : [`--since=@${Math.floor(since / 1_000)}`];
  const count = grep === undefined ? n : most;
  const args = [
    ...["--no-pager", "--quiet", "--output=cat", `--unit=${unit}`, `--lines=${count}`],
    ...from,
    ...(follow ? ["--follow"] : []),
  ];
  const child = spawn("journalctl", args, { stdio: ["ignore", "pipe", "inherit"] });
  const failed = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (code) => resolve(code ?? 0));
  });
  child.stdout.setEncoding("utf8");
  let seen = 0;
  let rest = "";
  const found: string[] = [];
  const take = (lines: readonly string[]) => {
    seen += lines.length;
    // Its times are chosen by the journal already.
    const chosen = lines.filter((line) => grep?.test(line) !== false);
    if (follow && chosen.length > 0) tell(chosen);
    else found.push(...chosen);
  };
  for await (const text of child.stdout as AsyncIterable<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    take(lines);
  }
  if ((await failed) === null) {
    throw new CliError("the node does not run, and there is no journalctl here", exit.unavailable);
  }
  if (seen === 0) {
    throw new CliError(`the journal has nothing of the unit ${unit}`, exit.unavailable);
  }
  if (!follow) tell(found.slice(-n));
  return exit.ok;
}
