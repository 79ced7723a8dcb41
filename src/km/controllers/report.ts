/** What a controller is told of this KM, made of its status: links, pairs, applications, what they used. Pure. */
import { Fault } from "../../base/errors.ts";
import { shortText } from "../../base/short-text.ts";
import type { CkExtension } from "../../wire/ck/messages.ts";
import type { Service } from "../../wire/ck/names.ts";
import { type LinkAlarm, linkExtension, severities } from "../../wire/ck/report.ts";
import {
  applicationExtensions,
  kmExtension,
  pairExtension,
  type SessionReport,
  sessionExtension,
  usageExtension,
} from "../../wire/ck/state.ts";
import type { RelayPairStatus } from "../model/relay-status.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";
import type { LinkFlows } from "./flow.ts";

/** Bits of one's own and the other's under which stock is low. */
export const lowBits = 65_536;
/** Alarms of one link; applications of one set. */
const most = { alarms: 16, name: 64, set: 64 } as const;

/** One object of a report. */
export interface Telling {
  readonly object: CkExtension;
  /** What of it is told at once when it is another. */
  readonly urgent: string;
}

export interface Told {
  readonly status: KmStatus;
  readonly flows: LinkFlows;
  /** ms since 1970 UTC */
  readonly started: number;
  readonly site?: string | undefined;
  /** SAE IDs of this KM. */
  readonly applications: readonly string[];
  readonly sessions: readonly SessionReport[];
  /** Whether a link takes part in relays. @param name of the link */
  readonly service: (name: string) => Service;
}

/**
 * All there is to tell, by what tells one object from another; what matters most first.
 * @param odd is told of an object that cannot be told: it is left out, and the others are not
 */
export function tellingsOf(
  told: Told,
  odd: (key: string, why: Fault) => void,
): Map<string, Telling> {
  const { status, site, started, applications, sessions } = told;
  const all = new Map<string, Telling>();
  const add = (key: string, make: () => readonly [object: CkExtension, urgent?: string]) => {
    try {
      const [object, urgent = ""] = make();
      all.set(key, { object, urgent });
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      odd(key, error);
    }
  };
  const { version } = status;
  add("km", () => [kmExtension({ version, started, ...(site !== undefined && { site }) })]);
  for (const link of status.links) {
    const pair = status.relay?.pairs.find((one) => one.link === link.name);
    if (pair === undefined) add(`link ${link.peer}`, () => linkTelling(told, link));
    else add(`pair ${link.peer}`, () => pairTelling(link, pair));
  }
  for (const [i, object] of applicationExtensions(applications).entries()) {
    add(`applications ${i}`, () => [object]);
  }
  for (const session of sessions) {
    const { keys: _, ...lasting } = session;
    add(`session ${session.id} ${session.role}`, () => [
      sessionExtension(session),
      JSON.stringify(lasting),
    ]);
  }
  for (const { master, slave, peer, requests, keys, bits, refused } of status.applications ?? []) {
    const set = [master, ...slave.split(", ")].slice(0, most.set);
    const usage = { applications: set, peer, requests, keys, bits, refused };
    add(`usage ${peer} ${set.join("\0")}`, () => [usageExtension(usage)]);
  }
  return all;
}

function linkTelling(
  { status, flows, service }: Told,
  link: LinkStatus,
): readonly [CkExtension, string] {
  const { peer, session, stock_bits, peer_stock_bits, matched_bits, modules = [] } = link;
  const qbers = modules.flatMap(({ qber }) => (qber === undefined ? [] : [qber]));
  const rates = modules.flatMap(({ secret_key_rate: rate }) => (rate === undefined ? [] : [rate]));
  const alarms = alarmsOf(status, link);
  const up = session === "ready";
  const inService = service(link.name);
  const isLow = stock_bits + peer_stock_bits < lowBits;
  const object = linkExtension({
    peer,
    up,
    stock: stock_bits,
    ...flows.of(link.name),
    // At chance it is 0.5; a module may measure a little more.
    ...(qbers.length > 0 && { qber: Math.min(0.5, Math.max(0, ...qbers)) }),
    ...(rates.length > 0 && { secretKeyRate: rates.reduce((sum, one) => sum + one, 0) }),
    matched: matched_bits,
    ...(inService !== "in_service" && { service: inService }),
    alarms,
  });
  return [object, JSON.stringify([up, isLow, inService, alarms])];
}

/** Those of nodes about its modules, and this KM's own about the link and them; a node's word that is old is none. */
function alarmsOf({ alarms, node_alarms, modules }: KmStatus, link: LinkStatus): LinkAlarm[] {
  const own = modules.filter((one) => one.link === link.name).map(({ name }) => name);
  const objects = [link.name, ...own];
  const ofKm = alarms.flatMap(({ alarm, severity, active }) => {
    const [name = "", ...object] = alarm.split(".");
    return active && objects.includes(object.join(".")) ? [{ name, severity }] : [];
  });
  const ofNodes = node_alarms.filter(
    (one) => one.active && one.current && one.modules.some((module) => own.includes(module)),
  );
  const rank = ({ severity }: LinkAlarm) => severities.indexOf(severity);
  const seen = new Set<string>();
  return [...ofKm, ...ofNodes]
    .flatMap(({ name, severity }): LinkAlarm[] => {
      const known = severities.find((one) => one === severity);
      return known === undefined ? [] : [{ name: shortText(name, most.name), severity: known }];
    })
    .sort((a, b) => rank(a) - rank(b) || (a.name < b.name ? -1 : 1))
    .filter(({ name }) => !seen.has(name) && seen.add(name))
    .slice(0, most.alarms);
}

function pairTelling(link: LinkStatus, pair: RelayPairStatus): readonly [CkExtension, string] {
  const { peer, session, stock_bits, peer_stock_bits } = link;
  const up = session === "ready";
  const sum = (name: "bits" | "pad_bits" | "relays") =>
    pair.methods.reduce((total, one) => total + one[name], 0);
  const { routing, route, scheme } = pair;
  const object = pairExtension({
    peer,
    up,
    stock: stock_bits,
    scheme,
    routing,
    ...(route !== undefined && { route }),
    relayed: sum("bits"),
    pads: sum("pad_bits"),
    relays: sum("relays"),
    failed: pair.failed,
    consumption: pair.used_bits_per_s,
  });
  return [object, JSON.stringify([up, stock_bits + peer_stock_bits < lowBits, route])];
}
