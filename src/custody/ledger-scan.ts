/** Reads a ledger's bytes: what its intact records amount to, and where it is not as it was written. */
import { Fault } from "../port/errors.ts";
import { LedgerIndex } from "./ledger-index.ts";
import {
  decodeEntry,
  groupOf,
  isEmpty,
  isHeader,
  isIntact,
  nextGroup,
  recordLength,
} from "./ledger-record.ts";
import type { LedgerEntry } from "./ports.ts";

export interface Scan {
  readonly index: LedgerIndex;
  /** Where the intact part of the file ends, bytes. */
  readonly end: number;
  /** Group of its last record. */
  readonly group: number;
  /** Whether all behind the intact part is room kept for later: nothing was ever written there. */
  readonly clean: boolean;
}

/**
 * Applies all records up to the first that is damaged.
 * @throws Fault `ledger.corrupt` if records of another group than the last follow a damaged one
 */
export function scan(bytes: Buffer, path: string): Scan {
  const index = new LedgerIndex();
  if (!isHeader(bytes)) {
    throw new Fault("ledger.corrupt", "not a ledger of this version", { file: path });
  }
  let at = recordLength;
  for (; isIntact(bytes, at); at += recordLength) {
    const entry = decodeEntry(bytes, at);
    if (entry === undefined) {
      throw new Fault("ledger.corrupt", "record of a later version", { file: path, offset: at });
    }
    index.apply(entry);
  }
  const group = groupOf(bytes, at - recordLength);
  // What is empty is no record, and most of a ledger is.
  if (isEmpty(bytes, at)) return { index, end: at, group, clean: true };
  let tornGroup: number | undefined;
  for (let later = at + recordLength; later < bytes.length; later += recordLength) {
    if (!isIntact(bytes, later)) continue;
    // The rest of the group that was being written when power failed, and of no other.
    tornGroup ??= groupOf(bytes, later);
    const torn = groupOf(bytes, later) === tornGroup;
    if (!torn || (tornGroup !== group && tornGroup !== nextGroup(group))) {
      throw new Fault("ledger.corrupt", "damaged record before intact ones", {
        file: path,
        offset: at,
      });
    }
  }
  return { index, end: at, group, clean: false };
}

export interface Salvage {
  /** Every intact record that this version knows, wherever it stands. */
  readonly entries: readonly LedgerEntry[];
  /** Where records are damaged, in the part of the file that was written; bytes. */
  readonly damaged: readonly number[];
  /** Intact records that this version does not know. */
  readonly unknown: number;
  readonly header: boolean;
}

/** Everything that can still be read of a ledger, damaged or not. Never throws. */
export function salvage(bytes: Buffer): Salvage {
  const entries: LedgerEntry[] = [];
  const damaged: number[] = [];
  let unknown = 0;
  let written = bytes.length - (bytes.length % recordLength);
  while (written > 0 && isEmpty(bytes.subarray(written - recordLength, written), 0)) {
    written -= recordLength;
  }
  for (let at = recordLength; at < written; at += recordLength) {
    if (!isIntact(bytes, at)) {
      damaged.push(at);
      continue;
    }
    const entry = decodeEntry(bytes, at);
    if (entry === undefined) unknown++;
    else entries.push(entry);
  }
  return { entries, damaged, unknown, header: isHeader(bytes) };
}
