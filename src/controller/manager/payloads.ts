/** The payloads of a controller. Pure. JSON, at most 16 KiB, times by RFC 3339 in UTC. */
import { time } from "../../ops/manager/payloads.ts";
import { isLost, missedLinks } from "../model/missed.ts";
import type { ControllerStatus, LinkStatus } from "../model/status.ts";

export interface ControllerFacts {
  readonly controller: string;
  /** Starts of the controller on its state; tells messages of one run from those of the next. */
  readonly boot: number;
  readonly version: string;
}

export interface Inventory {
  readonly configuration_digest: string;
  readonly mode: string;
  readonly commands: readonly string[];
}

export function inventory(facts: ControllerFacts, parts: Inventory) {
  return { ...facts, ...parts };
}

/** What the network is like as a whole: told when it changes. */
export function network(boot: number, status: ControllerStatus) {
  const { role, mode, verdict, nodes, links, pairs } = status;
  return {
    boot,
    role,
    mode,
    verdict: { level: verdict.level, code: verdict.code },
    ...{ nodes: nodes.length, links: links.length, pairs: pairs.length },
    nodes_attached: nodes.filter(({ attached }) => attached).length,
    links_bad: missedLinks(status).length,
    links_scarce: links.filter(({ state }) => state === "scarce").length,
    pairs_without_route: pairs.filter(isLost).length,
  };
}

/** What routing makes of a link: told when it changes. */
export function linkState(boot: number, { a, b, service, state, reason }: LinkStatus) {
  return { boot, a, b, service, state, reason };
}

/** What was not told. */
export interface Dropped {
  readonly dropped_telemetry: number;
  readonly dropped_events: number;
  /** Events that wait for the broker. */
  readonly waiting_events: number;
}

export function telemetry(
  boot: number,
  status: ControllerStatus,
  dropped: Dropped,
  uptimeS: number,
  now: number,
) {
  const raised: Record<string, number> = {};
  for (const { severity } of status.alarms) raised[severity] = (raised[severity] ?? 0) + 1;
  const { pairs, open_sessions } = status;
  const sum = (of: (pair: (typeof pairs)[number]) => number) =>
    pairs.reduce((total, pair) => total + of(pair), 0);
  return {
    boot,
    t: time(now),
    uptime_s: uptimeS,
    open_sessions,
    relays: sum(({ relays }) => relays),
    failed_relays: sum(({ failed }) => failed),
    demand: sum(({ demand }) => demand),
    share: sum(({ share }) => share),
    alarms: raised,
    ...dropped,
  };
}
