/** What is still to be done with the keys of a block of which the ledger knows something. */
import type { BlockRef, QkdKey } from "../../port/key.ts";
import type { BlockRecord } from "../keys/ports.ts";
import type { Owners } from "./owners.ts";
import type { KeySource } from "./supplies.ts";

export interface SortedKeys {
  /** To be supplied, in order. */
  readonly keys: readonly QkdKey[];
  /** The KM that a key may have been written to. */
  readonly kms: ReadonlyMap<QkdKey, string>;
  /** The KMs, as the ledger names them, that are not configured and may have keys of the block. */
  readonly elsewhere: ReadonlySet<string>;
}

/** Wipes the keys that are dealt with, or that wait for a KM which is not configured. */
export function sortKeys(
  ref: BlockRef,
  pieces: KeySource,
  record: BlockRecord | undefined,
  owners: Owners,
): SortedKeys {
  const { delivered, deliveredBits = 0, quarantined, gone } = record ?? {};
  const keys: QkdKey[] = [];
  const kms = new Map<QkdKey, string>();
  const elsewhere = new Set<string>();
  for (let key = pieces.next(); key !== undefined; key = pieces.next()) {
    const { id, offset } = key;
    const isDone = [delivered, quarantined, gone].some((ids) => ids?.has(id));
    const claimant =
      isDone || offset < deliveredBits ? undefined : owners.claimantOfKey(ref, id, record);
    const km = claimant === undefined ? undefined : owners.kmOf(claimant);
    if (isDone || offset < deliveredBits) key.wipe();
    else if (claimant !== undefined && km === undefined) {
      key.wipe();
      elsewhere.add(claimant);
    } else {
      keys.push(key);
      if (km !== undefined) kms.set(key, km);
    }
  }
  return { keys, kms, elsewhere };
}
