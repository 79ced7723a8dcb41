/** `qkd-node run`: the daemon. */
import { configure, run as runNode } from "../main.ts";
import { type Context, UsageError } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const file = context.text("config");
  if (file === undefined) throw new UsageError("run --config FILE");
  return runNode(configure(file));
}
