/** What of updates a node offers to commands: nothing, but on a machine that is installed by images. */
import { existsSync, readFileSync } from "node:fs";
import type { Config } from "../config/load.ts";
import type { ControlPorts } from "../control/executor.ts";
import type { NodeEvent } from "../manager/view.ts";
import type { Clock } from "../port/clock.ts";
import type { Log } from "../port/log.ts";
import { Updater } from "./updater.ts";

export interface UpdateParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: (event: NodeEvent) => void;
}

/** What installs, as root, in an image. */
const installer = "/usr/lib/qkd-image/update";

export function updatePorts(
  { manager, node }: Config,
  { clock, log, onEvent }: UpdateParts,
): Pick<ControlPorts, "installUpdate"> {
  const runtime = process.env.RUNTIME_DIRECTORY;
  if (runtime === undefined || !existsSync(installer)) return {};
  const updater = new Updater({
    stateFolder: node.state_dir,
    requests: `${runtime}/update`,
    result: "/run/qkd-update/result",
    ca: () => (manager?.ca === undefined ? undefined : readFileSync(manager.ca, "utf8")),
    clock,
    log: log.child("update"),
    onEnd: (bundle, refused) => {
      const type = refused === undefined ? "update_installed" : "update_refused";
      const facts = { bundle, ...(refused !== undefined && { reason: refused }) };
      onEvent({ type, at: clock.wall(), facts });
    },
  });
  return { installUpdate: async (args) => updater.begin(args) };
}
