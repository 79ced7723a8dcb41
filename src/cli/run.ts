/** `qkd-node run`: the daemon. */
import { exit } from "../exit-codes.ts";
import { isStopRequested } from "../lifecycle/signals.ts";
import { run as runNode } from "../main.ts";
import { configure } from "../main-config.ts";
import { siteTrouble } from "../site/told.ts";
import { Complaint } from "./client.ts";
import { type Context, UsageError } from "./context.ts";

export async function run(context: Context): Promise<number> {
  const file = context.text("config");
  if (file === undefined) throw new UsageError("run --config FILE");
  const trouble = siteTrouble(process.env);
  if (trouble !== undefined) {
    throw new Complaint(`the site's configuration is not what was taken: ${trouble}`, exit.config);
  }
  // Told to stop while it was loaded: nothing was begun.
  return (await isStopRequested()) ? exit.ok : runNode(configure(file));
}
