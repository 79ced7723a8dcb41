/** `qkd-node run`: the daemon. */
import { run as runNode } from "../main.ts";
import { configure } from "../main-config.ts";
import { type Context, UsageError } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const file = context.text("config");
  if (file === undefined) throw new UsageError("run --config FILE");
  return runNode(configure(file));
}
