/** `qkd-node clear-tamper`: the node was inspected after its chassis was opened. */

import { UsageError } from "../../host/terminal/program.ts";
import type { Acted } from "../../ops/cli/shapes.ts";
import { tellActed } from "./acted.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const confirm = context.text("yes");
  if (confirm === undefined) throw new UsageError("clear-tamper --yes NODE_ID");
  const acted = await context.ask<Acted>("clear_tamper", { confirm });
  return tellActed(context, acted, "clear-tamper");
}
