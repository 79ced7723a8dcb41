/** What became of an action, as every command that acts tells it. */
import { exit } from "../exit-codes.ts";
import type { Context } from "./context.ts";
import type { Acted } from "./shapes.ts";
import { coloured, tidy } from "./terminal.ts";

/**
 * @param what was acted upon, or the action
 * @returns an exit code
 */
export function tellActed(context: Context, acted: Acted, what: string): number {
  const { status, reason } = acted;
  const why = reason === undefined ? "" : `: ${tidy(reason)}`;
  const { paint } = context.terminal;
  context.print(acted, () => [`${what}: ${coloured(paint, status)}${why}`]);
  return status === "done" ? exit.ok : exit.failed;
}
