/** What became of an action, as every command that acts tells it. */
import { exit } from "../../base/exit-codes.ts";
import { coloured, tidy } from "../../host/terminal/terminal.ts";
import type { Acted } from "../../ops/cli/shapes.ts";
import type { Context } from "./context.ts";

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
