/**
 * Records of the life of keys (Y.3803 §8.2.6, Table 1): what happened to which keys and when. No key byte is in
 * any. One record tells of a whole batch, so that keys of 256 bits cost some 20 bytes each.
 */
import type { Range } from "../../wire/kx/messages.ts";

/** Kinds of records, numbered from 1 for ever: nothing is ever put in between. */
export const recordKinds = [
  /** QKD-keys became an extent of KMA-keys (Table 1, items 1 and 2). */
  "matched",
  /** QKD-keys found no match in time. */
  "expired",
  /** A QKD-key had other bytes at the other end: void at both. */
  "differs",
  /** QKD-keys left the buffer: an order, two contents under one ID, a restored disk. */
  "dropped",
  /** Another content came under the ID of a QKD-key. */
  "conflict",
  /** KSA-keys took a step on their way (Table 1, item 4). */
  "use",
  /** Free bytes went to the other KM, or came from it. */
  "gave",
  "got",
  /** Free bytes are used at the other end, and how is not known. */
  "lost",
  /** A disk is older than it was. */
  "restored",
  /** Extents are used up and deleted. */
  "gone",
  /** An operator ordered keys of a period to be given up. */
  "order",
  /** Records that could not be written. */
  "missing",
  /** An operator gave the store another master key; all is sealed anew for it. */
  "rekey",
  /** A relay, of which this KM was a part, ended. */
  "relayed",
] as const;

export type RecordKind = (typeof recordKinds)[number];

/** A stretch of an extent, of the key, or keys, of the record's so-manyth ID. */
export interface KeyRange extends Range {
  readonly key: number;
}

/** How QKD-keys came: count, bits of each, when stored and generated (ms since 1970 UTC), QBER, place in `modules`. */
export type RunFacts = readonly [
  count: number,
  bits: number,
  at: number,
  generatedAt: number | null,
  qber: number | null,
  module: number,
];

/** What else a record tells; which of it depends on its kind. */
export interface Facts {
  readonly link?: string;
  /** KM IDs: this one, and the other. */
  readonly kms?: readonly [string, string];
  /** Pairs of QKD module IDs: this end's, and the one that matches it. */
  readonly modules?: readonly (readonly [string, string])[];
  readonly runs?: readonly RunFacts[];
  /** Bytes of a KMA-key; where the leader's share ends; whether this KM leads. */
  readonly unit?: number;
  readonly split?: number;
  readonly leads?: boolean;
  readonly state?: string;
  readonly fate?: string;
  readonly owner?: boolean;
  /** The set of applications. */
  readonly applications?: string;
  /** Of a set with several slaves: those that have the key, a list of IDs in JSON. */
  readonly fetched?: string;
  readonly offer?: string;
  readonly reason?: string;
  readonly mark?: number;
  readonly remembered?: number;
  readonly bytes?: number;
  readonly count?: number;
  /** Of an order: its period, ms since 1970 UTC, who gave it, and what it gave up. */
  readonly from?: number;
  readonly to?: number;
  readonly by?: string;
  /** Of a relay: KM IDs of its path. Its `state` is what this KM was in it, its `reason` why it came to nothing. */
  readonly route?: readonly string[];
}

export interface LifeRecord {
  readonly kind: RecordKind;
  /** ms since 1970 UTC, by this machine's clock. */
  readonly at: number;
  /** IDs of QKD-keys or KSA-keys, 16 bytes each. */
  readonly ids: Buffer;
  /** Keys of each ID, of which it is the first (`store/key-run.ts`): ranges are of all of them. Missing: of one. */
  readonly counts?: readonly number[];
  readonly ranges: readonly KeyRange[];
  readonly facts: Facts;
}

/** All of an extent, where its length does not matter. */
export const wholeExtent = 0xffff_ffff;
