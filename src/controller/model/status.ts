/**
 * What a QKDN controller is seen as: by its map, its command line, its manager. JSON; times are RFC 3339 in UTC,
 * rates bit/s, stock bits. What is not known is absent, never zero. No key byte is in any of it.
 */

import type { ShownAlarm } from "../../ops/alarms/program-alarms.ts";
import { type Service, services } from "../../wire/ck/names.ts";
/** ITU-T X.733 §8.1.2.3 */
export type Severity = "critical" | "major" | "minor" | "warning" | "indeterminate";

/** Whether a component takes part in the network (IMDA RS QKDN §7.2): the words of Ck. */
export { type Service, services };

/** What routing makes of a link, and no better than is known: `bad` takes no new relay; `scarce` has few keys. */
export const linkStates = ["good", "scarce", "bad", "unknown"] as const;

export const changeKinds = [
  "reroute",
  "link",
  "node",
  "service",
  "session",
  "policy",
  "leader",
] as const;

export const verdictLevels = ["good", "waiting", "attention", "bad"] as const;
/** Those of a controller, stable, for programs; a page that has heard of none says one of its own. */
export const verdictCodes = [
  "ready",
  "nothing_known",
  "not_all_reported",
  "links_bad",
  "no_route",
  "alarms",
  "standby",
] as const;

/** An alarm of a component, told over Ck by a key manager or over MQTT by a node. */
export interface ToldAlarm {
  readonly name: string;
  readonly severity: Severity;
  /** `ck`: by a key manager; `mqtt`: on the manager's topics. */
  readonly by: "ck" | "mqtt";
  readonly since: string;
}

/** A key manager, with the node around it. */
export interface NodeStatus {
  /** KM ID, which is its KMA ID over Ck. */
  readonly km: string;
  readonly name: string;
  /** Where it stands: nodes are grouped by it. */
  readonly site: string;
  /** Place on the map, 0 to 1 from left to right and from top to bottom; absent: the map finds one. */
  readonly place?: { readonly x: number; readonly y: number };
  readonly service: Service;
  /** Configured, or seen in reports alone. */
  readonly origin: "configured" | "learnt";
  /** Its key manager is connected over Ck. */
  readonly attached: boolean;
  /** Since when it is, or is not. */
  readonly since: string;
  /** SAE IDs that it serves. */
  readonly applications: readonly string[];
  /** Node controllers (`qkd-node`) at this node that report over MQTT. */
  readonly controllers: readonly {
    readonly node: string;
    readonly online: boolean;
    readonly age_s: number;
  }[];
  readonly alarms: readonly ToldAlarm[];
}

/** One end of a link, as its key manager reports it. */
export interface LinkEndStatus {
  readonly km: string;
  readonly up: boolean;
  readonly stock_bits: number;
  readonly key_rate?: number;
  readonly consumption_rate?: number;
  /** Ratio, 0 to 0.5. */
  readonly qber?: number;
  readonly age_s: number;
  /** It has reported within `routing.silent_s`: routing goes by it. */
  readonly known: boolean;
}

/** A link between two nodes, both ends together. */
export interface LinkStatus {
  /** `KM1--KM2`, the smaller ID first. */
  readonly link: string;
  /** In the order of the ID. An end whose key manager did not report is absent. */
  readonly ends: readonly LinkEndStatus[];
  readonly a: string;
  readonly b: string;
  readonly service: Service;
  readonly origin: "configured" | "learnt";
  readonly state: (typeof linkStates)[number];
  /** Why it is not good; empty if it is. */
  readonly reason: string;
  /** Averages that routes are computed from. */
  readonly average_stock_bits: number;
  readonly average_key_rate: number;
  /** bit/s that are promised to relays. */
  readonly reserved_rate: number;
  /** Length of its fibre, km, if configured. */
  readonly length_km?: number;
  readonly alarms: readonly ToldAlarm[];
}

/** What is relayed between two nodes, and on which way. */
export interface PairStatus {
  /** `KM1--KM2`, the smaller ID first. */
  readonly pair: string;
  readonly a: string;
  readonly b: string;
  /** KM IDs from `a` to `b`, both included; empty: there is no route. */
  readonly route: readonly string[];
  /** Other routes, the best first. */
  readonly others: readonly (readonly string[])[];
  /** bit/s that the route carries now at the most (max-min fair share). */
  readonly share: number;
  readonly demand: number;
  readonly stock_bits?: number;
  /**
   * Relays that the two key managers told of, also those that they wanted themselves, and those that failed: first
   * those since they began; what one counted before it began anew stays.
   */
  readonly relays: number;
  readonly failed: number;
  /** Relays at routes that this controller gave for them, since its start. */
  readonly ordered: number;
  /** Bits that operators ordered and whose relays have not begun. */
  readonly ordered_bits: number;
  /** Name of the class of service. */
  readonly class: string;
  /** Since when this route is used. */
  readonly since?: string;
  /** Open sessions between applications of the two. */
  readonly sessions: number;
}

/** A change of the controller's mind, and why. */
export interface ChangeStatus {
  readonly time: string;
  readonly kind: (typeof changeKinds)[number];
  /** The link, pair, node or session. */
  readonly object: string;
  /** One sentence. */
  readonly text: string;
  /** From the event that caused it to the new state, ms. */
  readonly after_ms?: number;
}

/** A session of two applications (Q.4164 §8.6). */
export interface SessionStatus {
  readonly session: string;
  readonly source: string;
  readonly destination: string;
  readonly source_km: string;
  readonly destination_km: string;
  readonly since: string;
  /** KSA-keys at most, if there is a limit. */
  readonly number?: number;
  readonly state: "creating" | "open" | "ended";
}

export interface VerdictStatus {
  readonly level: (typeof verdictLevels)[number];
  readonly code: string;
  readonly text: string;
  /** What to do; empty where nothing is to be done. */
  readonly action: string;
}

export interface ControllerStatus {
  readonly controller: string;
  readonly version: string;
  readonly started: string;
  /** `active`: it leads; `standby`: another one does, and this one waits. */
  readonly role: "active" | "standby";
  /** How routes are given: each KM asks for its next hop, or the source is told the whole route. */
  readonly mode: "distributed" | "centralized";
  readonly verdict: VerdictStatus;
  readonly nodes: readonly NodeStatus[];
  readonly links: readonly LinkStatus[];
  readonly pairs: readonly PairStatus[];
  readonly sessions: readonly SessionStatus[];
  /** Sessions that are open, also those that are not listed. */
  readonly open_sessions: number;
  /** Since it leads, or began: sessions that opened and ended, and those that were refused, by reason. */
  readonly counted_sessions: {
    readonly opened: number;
    readonly ended: number;
    readonly refused: Readonly<Record<string, number>>;
  };
  /** The newest first, at most 200. */
  readonly changes: readonly ChangeStatus[];
  /** The controller's own alarms, the worst first. */
  readonly alarms: readonly ShownAlarm[];
}
