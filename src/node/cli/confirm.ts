/** Asks before something is done that cannot be undone; in a script the node is named instead. */
import { createInterface } from "node:readline/promises";
import { exit } from "../../base/exit-codes.ts";
import { UsageError } from "../../host/terminal/program.ts";
import type { Terminal } from "../../host/terminal/terminal.ts";
import { CliError } from "../../ops/cli/client.ts";
import type { Context } from "./context.ts";

export interface Asking {
  /** What is told before. */
  readonly lines: readonly string[];
  /** What is asked, and the only answer to go on. */
  readonly questions: readonly (readonly [question: string, wanted: string])[];
}

/**
 * @returns what the node wants to see of it
 * @throws UsageError without a terminal to ask on, or if another node is meant; CliError upon another answer
 */
export async function confirm(
  what: string,
  node: string,
  context: Context,
  asking: (terminal: Terminal, node: string) => Asking,
): Promise<{ readonly confirm: string }> {
  const yes = context.text("yes");
  if (yes !== undefined) {
    if (yes === node) return { confirm: node };
    throw new UsageError(`--yes names another node: this is ${node}`);
  }
  if (!process.stdin.isTTY || !process.stdout.isTTY) {
    throw new UsageError(`${what} asks on a terminal; in a script: --yes ${node}`);
  }
  const { terminal } = context;
  const { lines, questions } = asking(terminal, node);
  for (const line of lines) terminal.say(line);
  const input = createInterface({ input: process.stdin, output: process.stdout });
  const gone = new Promise<string>((resolve) => input.once("close", () => resolve("")));
  try {
    for (const [question, wanted] of questions) {
      const typed = await Promise.race([input.question(question), gone]);
      if (typed.trim() !== wanted) throw new CliError("nothing was done", exit.failed);
    }
  } finally {
    input.close();
  }
  return { confirm: node };
}
