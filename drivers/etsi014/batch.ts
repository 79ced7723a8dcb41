/** A batch of keys as one end has it: what is written beside its keys, and what is known of it. Pure. */
import { hash } from "node:crypto";
import { type BlockRef, keyMemory, wipeMemory } from "../../src/port/key.ts";
import type { KeyName } from "./messages.ts";

/** What is written beside the keys of a batch. */
export interface BatchFacts {
  readonly version: 1;
  /**
   * `told`: the other end has not said what it has. `open`: of a follower that has not asked for all of them
   * yet. `both`: both ends have it. `spent`: its keys are gone, what became of them is still known.
   */
  readonly state: "told" | "open" | "both" | "spent";
  readonly keys: readonly KeyName[];
  /** SHA-256 over the key_IDs: tells whether a batch is the same. */
  readonly digest: string;
  /** Places of keys that one end alone had, or has not yet: no bytes are there of them. */
  readonly lost: readonly number[];
  /** Places of keys that were let go of. */
  readonly gone: readonly number[];
  readonly count: number;
  readonly at: number;
  readonly qber?: number;
}

export interface Batch {
  readonly first: BlockRef;
  facts: BatchFacts;
  /** Places of keys that were lost or let go of. */
  readonly gone: Set<number>;
  /** Places of keys that were let go of, which the disk does not show yet: once for each time. */
  leaving: number[];
}

export function digestOf(keys: readonly KeyName[]): string {
  return hash("sha256", keys.map(({ id, bits }) => `${id} ${bits}`).join("\n"), "hex");
}

/** Places of which nothing is to come any more. */
export function goneOf({ state, count, lost, gone }: BatchFacts): Set<number> {
  if (state === "spent") return new Set(Array.from({ length: count }, (_, place) => place));
  // What is not there of an open one may still come.
  return new Set(state === "open" ? gone : [...lost, ...gone]);
}

/** A key's block. */
export function refOf({ first }: Batch, place: number): BlockRef {
  return { epoch: first.epoch, number: first.number + place };
}

/** A batch's bytes by place; undefined where none are there. @param key of all of them: wiped */
export function piecesOf({ keys, lost, gone }: BatchFacts, key: Buffer): (Buffer | undefined)[] {
  const without = new Set([...lost, ...gone]);
  let at = 0;
  const pieces = keys.map(({ bits }, place) => {
    if (without.has(place)) return undefined;
    const one = keyMemory(Math.ceil(bits / 8));
    at += key.copy(one, 0, at, at + one.length);
    return one;
  });
  wipeMemory(key);
  return pieces;
}

/** Bytes on disk beside a key's own. */
const besideKey = 96;

/** Bytes that a key needs on the disk: twice, since a batch is written anew before what it replaces is removed. */
export function roomOf(keyBytes: number): number {
  return 2 * (keyBytes + besideKey);
}
