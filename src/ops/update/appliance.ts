/** What of updates a node offers: nothing, but on a machine that is installed by images. */
import { existsSync, readFileSync } from "node:fs";
import { uptime } from "node:os";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { readRegularText } from "../../host/disk/regular-file.ts";
import type { NodeEvent } from "../events/event.ts";
import { describeSlots, parseSlots, toldByRoot, type UpdateStatus } from "./slots.ts";
import { type Receive, Updater } from "./updater.ts";

export interface UpdateParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: (event: NodeEvent) => void;
}

/** Where node and root part meet. */
export interface Places {
  /** What installs, as root, in an image. */
  readonly installer: string;
  /** Where the node puts its requests; undefined: it has no place for them. */
  readonly requests: string | undefined;
  /** Where the root part says what became of them, and tells of the slots. */
  readonly told: string;
}

export function standardPlaces(runtimeDirectory: string | undefined): Places {
  return {
    installer: "/usr/lib/qkd-image/update",
    requests: runtimeDirectory && `${runtimeDirectory.split(":")[0]}/update`,
    told: toldByRoot,
  };
}

/** Updates, as commands and who looks at the node reach them. */
export interface Updates {
  /** For the manager's command. @throws Fault `update` */
  begin(args: unknown, signed?: string): { readonly started: true };
  /** For who stands at the machine. @throws Fault `update` */
  beginLocal(args: unknown, receive: Receive): Promise<{ readonly started: true }>;
  status(): Promise<UpdateStatus>;
}

/** Of the configuration, what updates need. */
export interface UpdateConfig {
  readonly node: { readonly state_dir: string };
  readonly manager?:
    | {
        readonly ca?: string | undefined;
        readonly crl?: string | undefined;
        readonly crl_fresh?: boolean | undefined;
      }
    | undefined;
}

/** @returns undefined on a machine that is not installed by images */
export function openUpdates(
  { manager, node }: UpdateConfig,
  { installer, requests, told }: Places,
  { clock, log, onEvent }: UpdateParts,
): Updates | undefined {
  if (requests === undefined || !existsSync(installer)) return undefined;
  const updater = new Updater({
    stateFolder: node.state_dir,
    requests,
    result: `${told}/result`,
    said: `${told}/said`,
    trust: () => ({
      ca: manager?.ca && readRegularText(manager.ca),
      crl: manager?.crl && readRegularText(manager.crl),
      crlFresh: manager?.crl_fresh,
    }),
    clock,
    log: log.child("update"),
    onEnd: (bundle, refused) => {
      const type = refused === undefined ? "update_installed" : "update_refused";
      const facts = { bundle, ...(refused !== undefined && { reason: refused }) };
      onEvent({ type, at: clock.wall(), facts });
    },
  });
  void updater.clean();
  return {
    begin: (args, signed) => updater.begin(args, signed),
    beginLocal: (args, receive) => updater.beginLocal(args, receive),
    async status() {
      const underWay = await updater.underWay();
      const { last } = updater;
      return {
        ...slotsOf(told, clock.wall()),
        appliance: true,
        ...(underWay && { under_way: underWay }),
        ...(last && { last }),
      };
    },
  };
}

/** What is known of the slots without the node. */
export function slotsOf(told = toldByRoot, wall = Date.now()): UpdateStatus {
  let text: string;
  try {
    text = readFileSync(`${told}/slots`, "utf8");
  } catch {
    return { appliance: false };
  }
  return { appliance: true, ...describeSlots(parseSlots(text), uptime(), wall) };
}
