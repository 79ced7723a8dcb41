/** `qkd-node clear-tamper`: the node was inspected after its chassis was opened. */
import { exit } from "../exit-codes.ts";
import { type Context, UsageError } from "./context.ts";
import type { Acted } from "./shapes.ts";
import { coloured, tidy } from "./terminal.ts";

export async function run(context: Context): Promise<number> {
  const confirm = context.text("yes");
  if (confirm === undefined) throw new UsageError("clear-tamper --yes NODE_ID");
  const acted = await context.ask<Acted>("clear_tamper", { confirm });
  const { status, reason } = acted;
  const why = reason === undefined ? "" : `: ${tidy(reason)}`;
  const { paint } = context.terminal;
  context.print(acted, () => [`clear-tamper: ${coloured(paint, status)}${why}`]);
  return status === "done" ? exit.ok : exit.failed;
}
