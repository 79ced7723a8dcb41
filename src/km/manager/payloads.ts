/** The payloads of a key manager. Pure. JSON, at most 16 KiB, times by RFC 3339 in UTC. */
import { fitting, time } from "../../ops/manager/payloads.ts";
import type { RelayPairStatus } from "../model/relay-status.ts";
import type { KmStatus, LinkStatus, ModuleStatus } from "../model/status.ts";
import type { Supplied } from "./tally.ts";

export interface KmFacts {
  readonly km: string;
  /** Starts of the key manager on its state; tells messages of one run from those of the next. */
  readonly boot: number;
  readonly version: string;
}

/** Durable transactions of a link: this KM's, and the most that it heard of the other's. */
export interface Marks {
  readonly own: number;
  readonly peer: number;
}

export interface Inventory {
  readonly configuration_digest: string;
  readonly links: readonly string[];
  readonly modules: readonly string[];
  readonly commands: readonly string[];
  /** Whether records are told. */
  readonly records: boolean;
}

/** Of links, then modules the first that a message has room for; how many there are beyond those is said. */
export function inventory(facts: KmFacts, parts: Inventory) {
  const { configuration_digest, commands, records } = parts;
  const rest = { ...facts, configuration_digest, commands, records };
  const links = fitting({ ...rest, links: [], links_left_out: 0, modules: [] }, parts.links);
  const noLinks = parts.links.length - links.length;
  const told = { ...rest, links, ...(noLinks > 0 && { links_left_out: noLinks }) };
  const modules = fitting({ ...told, modules: [] }, parts.modules);
  const noModules = parts.modules.length - modules.length;
  return { ...told, modules, ...(noModules > 0 && { modules_left_out: noModules }) };
}

export function linkState(boot: number, link: LinkStatus, marks: Marks, since: number) {
  const { peer, leads, takes, session, key_exchange, same_policy } = link;
  return {
    boot,
    peer,
    leads,
    takes,
    session,
    ...(key_exchange !== undefined && { key_exchange }),
    same_policy,
    since: time(since),
    mark: marks.own,
    peer_mark: marks.peer,
  };
}

export interface LinkRates {
  readonly matched: number | undefined;
  readonly supplied: number | undefined;
}

export function linkTelemetry(
  boot: number,
  link: LinkStatus,
  supplied: Supplied,
  rates: LinkRates,
  now: number,
  relay?: RelayPairStatus,
) {
  const { stock_bits, peer_stock_bits, waiting_keys, waiting_bits, oldest_s } = link;
  const { matched_bits, compared_keys, differing_keys, expired_keys, extents, uses } = link;
  const { under_way_bits, taken_bits, unfetched_bits } = link;
  return {
    boot,
    t: time(now),
    ...{ stock_bits, peer_stock_bits, waiting_keys, waiting_bits, oldest_s },
    ...{ matched_bits, compared_keys, differing_keys, expired_keys, extents, uses },
    ...{ under_way_bits, taken_bits, unfetched_bits },
    supplied_keys: supplied.keys,
    supplied_bits: supplied.bits,
    ...(rates.matched !== undefined && { matched_rate: rates.matched }),
    ...(rates.supplied !== undefined && { supplied_rate: rates.supplied }),
    ...(relay !== undefined && { relay: relayOfLink(relay) }),
  };
}

/** What this KM relays for a link. */
function relayOfLink({ link: _, ...figures }: RelayPairStatus) {
  return figures;
}

export interface ModuleOfKm {
  readonly name: string;
  readonly module_id: string;
  readonly matching_module_id: string;
  readonly link: string;
  readonly mode: string;
}

export function moduleState(
  boot: number,
  { module_id, matching_module_id, link, mode }: ModuleOfKm,
) {
  return { boot, module_id, matching_module_id, link, mode };
}

export function moduleTelemetry(
  boot: number,
  { received_keys, received_bits, repeats, conflicts }: ModuleStatus,
  lastKeyAt: number | undefined,
  rate: number | undefined,
  now: number,
) {
  return {
    boot,
    t: time(now),
    ...{ received_keys, received_bits, repeats, conflicts },
    ...(lastKeyAt !== undefined && { last_key_at: time(lastKeyAt) }),
    ...(rate !== undefined && { received_rate: rate }),
  };
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
  { uptime_s, store, nodes_connected, refused, alarms, relay, controllers }: KmStatus,
  dropped: Dropped,
  now: number,
) {
  const raised: Record<string, number> = {};
  for (const { severity } of alarms) raised[severity] = (raised[severity] ?? 0) + 1;
  const { buffered_keys, buffered_bits, stock_bits, disk_bytes, limit_bytes, full } = store;
  return {
    boot,
    t: time(now),
    uptime_s,
    store: { buffered_keys, buffered_bits, stock_bits, disk_bytes, limit_bytes, full },
    nodes_connected,
    ...(controllers && {
      controllers_connected: controllers.filter(({ connected }) => connected).length,
    }),
    refused,
    alarms: raised,
    ...(relay !== undefined && {
      relays: {
        under_way: relay.under_way,
        passed: relay.passed,
        collected: relay.collected,
        taken: relay.taken,
      },
    }),
    ...dropped,
  };
}
