/** `qkd-node run`: the daemon. */
import { exit } from "../../base/exit-codes.ts";
import { isStopRequested } from "../../host/life/signals.ts";
import { UsageError } from "../../host/terminal/program.ts";
import { refuseChangedSite } from "../../ops/site/told.ts";
import { run as runNode } from "../main.ts";
import type { Context } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const file = context.text("config");
  if (file === undefined) throw new UsageError("run --config FILE");
  refuseChangedSite(process.env, "node");
  // Told to stop while it was loaded: nothing was begun.
  const readers = await context.readers();
  return (await isStopRequested()) ? exit.ok : runNode(readers.start(file), readers);
}
