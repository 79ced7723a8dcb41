/** What happened at a key manager, as events that people read: of links, nodes and alarms. Pure. */
import type { Transition } from "../../ops/alarms/alarm.ts";
import type { NodeEvent } from "../../ops/events/event.ts";
import type { KmStatus } from "../model/status.ts";
import type { LinkEvent } from "../peer/events.ts";

/** @param at ms since 1970 UTC @returns undefined: it is counted, and no event */
export function linkEvent(link: string, event: LinkEvent, at: number): NodeEvent | undefined {
  switch (event.type) {
    case "differs":
      return { type: "key_differs", at, facts: { link, key_ID: event.id } };
    case "expired": {
      const lacked_by = event.lackedBy === "them" ? "the other end" : "not known";
      return {
        type: "keys_expired",
        at,
        facts: { link, keys: event.keys, lacked_by },
        routine: true,
      };
    }
    case "dropped":
      return {
        type: "keys_dropped",
        at,
        facts: { link, keys: event.ids.length / 16, reason: event.reason },
      };
    case "unmatched":
      // The other end does not have them yet: usual, and proposed again.
      if (event.reason === "lacking") return undefined;
      return { type: "batch_given_up", at, facts: { link, reason: event.reason }, routine: true };
    case "restored": {
      const whose = event.which === "us" ? "this key manager's" : "the other key manager's";
      const { mark, remembered } = event;
      return { type: "disk_restored", at, facts: { link, whose, mark, remembered } };
    }
    case "macMissing":
      return { type: "mac_missing", at, facts: { link } };
    case "twice":
      return { type: "peer_twice", at, facts: { link }, routine: true };
    case "lost":
      return {
        type: "stock_lost",
        at,
        facts: { link, bytes: event.bytes, extent: event.extent },
        routine: true,
      };
    case "ready":
      return { type: "peer_ready", at, facts: { link } };
    default:
      return undefined;
  }
}

/** What is told by comparing two states, a second apart. @param before undefined: the first since the start */
export function stateEvents(before: KmStatus | undefined, now: KmStatus, at: number): NodeEvent[] {
  const events: NodeEvent[] = [];
  // A node may be there before the first look.
  const nodes = now.nodes_connected - (before?.nodes_connected ?? 0);
  if (nodes !== 0) {
    const type = nodes > 0 ? "node_connected" : "node_lost";
    events.push({ type, at, facts: { nodes: now.nodes_connected } });
  }
  if (before === undefined) return events;
  for (const { name, peer, session } of now.links) {
    const was = before.links.find((link) => link.name === name)?.session;
    if (was === "ready" && session === "down") {
      events.push({ type: "peer_lost", at, facts: { link: name, peer } });
    }
  }
  if (now.store.full !== before.store.full) {
    events.push({ type: now.store.full ? "store_full" : "store_has_room", at, facts: {} });
  }
  return events;
}

/** An alarm's transition. */
export function alarmEvent({ change, record }: Transition): NodeEvent {
  const { name, object, severity, detail, changedAt } = record;
  const facts = { name, object, severity, ...(detail !== undefined && { detail }) };
  return { type: `alarm_${change}`, at: changedAt, facts };
}
