/** `qkd-node logs`: from the node's memory, or from the journal if it does not run. */
import { spawn } from "node:child_process";
import { exit } from "../exit-codes.ts";
import { Complaint, NotRunning } from "./client.ts";
import { type Context, UsageError } from "./context.ts";
import { tidy } from "./terminal.ts";

interface Lines {
  readonly lines: readonly string[];
}

export async function run(context: Context): Promise<number> {
  const args = { n: context.number("n", 50, 1, 2_000) };
  const follow = context.values.follow === true;
  const unit = context.text("unit");
  if (unit !== undefined) return journal(context, unit, args.n, follow);
  try {
    if (follow) {
      for await (const answer of context.follow<Lines>("logs", { ...args, follow })) {
        context.print(answer, () => answer.lines.map(tidy));
      }
    } else {
      const answer = await context.ask<Lines>("logs", args);
      context.print(answer, () => answer.lines.map(tidy));
    }
    return exit.ok;
  } catch (error) {
    if (!(error instanceof NotRunning)) throw error;
    context.terminal.complain(`qkd-node: ${error.message}; this is the journal`);
    return journal(context, "qkd-node", args.n, follow);
  }
}

/** @throws Complaint if there is no journal */
async function journal(
  context: Context,
  unit: string,
  n: number,
  follow: boolean,
): Promise<number> {
  if (!/^[\w@.:-]{1,128}$/.test(unit)) throw new UsageError("--unit: expected the name of a unit");
  const args = ["--no-pager", "--quiet", "--output=cat", `--unit=${unit}`, `--lines=${n}`];
  const child = spawn("journalctl", follow ? [...args, "--follow"] : args, {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const failed = new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", (code) => resolve(code ?? 0));
  });
  child.stdout.setEncoding("utf8");
  let seen = 0;
  let rest = "";
  const tell = (lines: readonly string[]) => {
    seen += lines.length;
    if (lines.length > 0) context.print({ lines }, () => lines.map(tidy));
  };
  for await (const text of child.stdout as AsyncIterable<string>) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    tell(lines);
  }
  if ((await failed) === null) {
    throw new Complaint("the node does not run, and there is no journalctl here", exit.unavailable);
  }
  if (seen > 0) return exit.ok;
  throw new Complaint(`the journal has nothing of the unit ${unit}`, exit.unavailable);
}
