/** What a link tells of itself, for alarms, counters and records (Y.3803 §8.2.6). No key byte is in any. */
import type { Fate, Range, Refusal, UseState } from "../../wire/kx/messages.ts";
import type { Run } from "../keys/origin.ts";
import type { Use } from "../store/shapes.ts";

/** QKD-keys of an event. */
export interface KeysOfEvent {
  /** 16 bytes each, one after the other. */
  readonly ids: Buffer;
  /** Where they came from, in the same order. */
  readonly runs: readonly Run[];
}

/** What an extent was made of (Y.3803 Table 1, item 2). */
export interface MatchedBatch extends KeysOfEvent {
  /** QKD module IDs, the leader's first. */
  readonly modules: readonly [string, string];
  /** Unit length of its KMA-keys, bytes. */
  readonly unit: number;
  /** Bytes `[0, split)` began as the leader's. */
  readonly split: number;
}

/** Keys of one offer on their way to applications, as they are now, all alike (Y.3803 Table 1, item 4). */
export interface UseTold {
  /** At least one entry: as `Use` has them. */
  readonly keys: readonly Pick<Use, "id" | "count" | "ranges">[];
  /** 24 bytes in hexadecimal. */
  readonly offer: string;
  /** Whether this KM owns them. */
  readonly owner: boolean;
  readonly state: UseState;
  readonly fate?: Fate | undefined;
  readonly request?: string | undefined;
  /** Slaves of the set that have it, as bits. */
  readonly had?: number;
}

export type LinkEvent =
  /** A batch is matched, durably at this end. */
  | {
      readonly type: "matched";
      readonly number: number;
      readonly keys: number;
      readonly bytes: number;
      /** ms since the first of its keys was stored here. */
      readonly waited: number;
      readonly batch: MatchedBatch;
    }
  /** A QKD-key has other bytes at the two ends: void at both (Y.3803 §8.2.1: "abort"). */
  | ({ readonly type: "differs"; readonly id: string } & KeysOfEvent)
  /** QKD-keys found no match in time. */
  | ({
      readonly type: "expired";
      readonly keys: number;
      readonly bytes: number;
      /** Whether the other end lacked them, or the two ends could not speak of them in time. */
      readonly lackedBy: "them" | "unknown";
    } & KeysOfEvent)
  /** Keys left the buffer without a use: an operator's order, two contents under one ID, a restored disk, a relay that failed. */
  | ({
      readonly type: "dropped";
      readonly reason: "order" | "conflict" | "restored" | "relay";
    } & KeysOfEvent)
  /** A step of keys on their way, durable. */
  | ({ readonly type: "use" } & UseTold)
  /** Free bytes changed their owner, durably at this end. */
  | { readonly type: "gave" | "got"; readonly ranges: readonly Range[] }
  /** Extents of which nothing is needed any more are deleted. */
  | { readonly type: "gone"; readonly numbers: readonly number[] }
  /** A batch was given up; its keys went back to the buffer. */
  | { readonly type: "unmatched"; readonly reason: string }
  /** This KM's disk, or the other's, is older than it was. */
  | {
      readonly type: "restored";
      readonly which: "us" | "them";
      readonly mark: number;
      readonly remembered: number;
    }
  /** The other KM proposes without the one-time MAC that this end wants, and has key for it: once a session. */
  | { readonly type: "macMissing" }
  /** Two processes are the other KM: a copy of its machine, or of its store. */
  | { readonly type: "twice" }
  /** Bytes that both ends call used, whose use is not known: after a disk was restored. */
  | { readonly type: "lost"; readonly bytes: number; readonly extent: number }
  /** The fate of a key is known at both ends. */
  | { readonly type: "fate"; readonly id: string; readonly fate: Fate; readonly bytes: number }
  /** The other KM refused an offer: its keys are void. @see Refusal */
  | { readonly type: "refused"; readonly reason: Refusal; readonly keys: number }
  /** A message fits no state of its subject: dropped. */
  | { readonly type: "odd"; readonly message: string }
  | { readonly type: "ready" };

/** @param keys of one offer, all alike, and at least one */
export function useTold(keys: readonly Use[]): LinkEvent {
  const [{ offer, owner, state, fate, request, had }] = keys as readonly [Use];
  return { type: "use", keys, offer, owner, state, fate, request, had };
}
