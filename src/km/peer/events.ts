/** What a link tells of itself, for alarms, counters and records (Y.3803 §8.2.6). No key byte is in any. */
import type { Fate } from "../../wire/kx/messages.ts";

export type LinkEvent =
  /** A batch is matched, durably at this end. */
  | {
      readonly type: "matched";
      readonly number: number;
      readonly keys: number;
      readonly bytes: number;
      /** ms since the first of its keys was stored here. */
      readonly waited: number;
    }
  /** A QKD-key has other bytes at the two ends: void at both (Y.3803 §8.2.1: "abort"). */
  | { readonly type: "differs"; readonly id: string }
  /** QKD-keys found no match in time. */
  | {
      readonly type: "expired";
      readonly keys: number;
      readonly bytes: number;
      readonly lackedBy: "us" | "them";
    }
  /** A batch was given up; its keys went back to the buffer. */
  | { readonly type: "unmatched"; readonly reason: string }
  /** This KM's disk, or the other's, is older than it was. */
  | {
      readonly type: "restored";
      readonly which: "us" | "them";
      readonly mark: number;
      readonly remembered: number;
    }
  /** Bytes that both ends call used, whose use is not known: after a disk was restored. */
  | { readonly type: "lost"; readonly bytes: number }
  /** The fate of a key is known at both ends. */
  | { readonly type: "fate"; readonly id: string; readonly fate: Fate; readonly bytes: number }
  /** A message fits no state of its subject: dropped. */
  | { readonly type: "odd"; readonly message: string }
  | { readonly type: "ready" };
