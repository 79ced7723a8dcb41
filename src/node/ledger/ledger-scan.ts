/** Reads a ledger's bytes: what its intact records amount to, and where it is not as it was written. */
import { Fault } from "../../base/errors.ts";
import type { LedgerEntry } from "../keys/ports.ts";
import { LedgerIndex } from "./ledger-index.ts";
import {
  decodeEntry,
  digestOf,
  firstRecordAt,
  groupOf,
  isEmpty,
  isHeader,
  isIntact,
  isSeal,
  nextGroup,
  recordLength,
  sealedAt,
  sealFits,
  sealPosition,
} from "./ledger-record.ts";

export interface Scan {
  readonly index: LedgerIndex;
  /** Position of the first record, bytes. */
  readonly firstAt: number;
  /** Where the next group begins, bytes: a seal that stands last is that group's. */
  readonly end: number;
  /** Group of the last record before that. */
  readonly group: number;
  /** Digest of all before that. */
  readonly digest: number;
  /** Whether all that was read was synced for certain. */
  readonly sealed: boolean;
  /** What may not have been synced is before this position, bytes; 0: the file has no seal. */
  readonly doubtfulTo: number;
  /** Whether all behind the intact part is room kept for later: nothing was ever written there. */
  readonly clean: boolean;
}

function damagedAt(what: string, file: string, offset: number): Fault {
  return new Fault("ledger.corrupt", what, { file, offset });
}

/**
 * Applies all records up to the first that is damaged.
 * @throws Fault `ledger.corrupt` if a seal, or records of another group than the last, follow a
 * damaged one; if a seal does not fit what is before it
 */
export function scan(bytes: Buffer, path: string): Scan {
  const index = new LedgerIndex();
  if (!isHeader(bytes)) {
    throw new Fault("ledger.corrupt", "not a ledger of this version", { file: path });
  }
  const firstAt = firstRecordAt(bytes);
  let at = firstAt;
  let group = groupOf(bytes, 0);
  /** Up to `covered`, in the order of records. */
  let digest = digestOf(bytes.subarray(0, recordLength), 0);
  let covered = at;
  let seal: Pick<Scan, "end" | "group" | "digest"> | undefined;
  for (; isIntact(bytes, at) && !isCopy(bytes, at); at += recordLength) {
    if (isSeal(bytes, at)) {
      digest = digestOf(bytes.subarray(covered, at), digest);
      covered = at;
      if (!sealFits(bytes, at, digest)) throw damagedAt("damaged record before a seal", path, at);
      seal = { end: at, group, digest };
    } else {
      const entry = decodeEntry(bytes, at);
      if (entry === undefined) throw damagedAt("record of a later version", path, at);
      index.apply(entry);
    }
    group = groupOf(bytes, at);
  }
  // What is empty is no record, and most of a ledger is.
  const clean = isEmpty(bytes, at) || isUnused(bytes, path, { firstAt, at, group });
  if (at <= sealedAt(bytes) || at > bytes.length) {
    throw damagedAt("damaged record before where the seal was", path, at);
  }
  const found = { index, firstAt, clean };
  if (clean && seal?.end === at - recordLength) {
    return { ...found, ...seal, sealed: true, doubtfulTo: 0 };
  }
  const doubtfulTo = seal === undefined ? 0 : Math.max(at, writtenTo(bytes));
  const sealed = clean && at === firstAt;
  digest = digestOf(bytes.subarray(covered, at), digest);
  return { ...found, end: at, group, digest, sealed, doubtfulTo };
}

interface Intact {
  readonly firstAt: number;
  /** Where the intact part ends, bytes. */
  readonly at: number;
  /** Group of the last record before that. */
  readonly group: number;
}

/**
 * Whether nothing is behind the intact part. If there is, it must be what arrived of a group whose
 * write was cut.
 * @throws Fault `ledger.corrupt` if it is not
 */
function isUnused(bytes: Buffer, path: string, { firstAt, at, group }: Intact): boolean {
  let unused = true;
  let tornGroup: number | undefined;
  const header = digestOf(bytes.subarray(0, recordLength), 0);
  for (let later = at; later < bytes.length; later += recordLength) {
    if (!isIntact(bytes, later)) {
      unused &&= isEmpty(bytes.subarray(later, later + recordLength), 0);
      continue;
    }
    if (isCopy(bytes, later)) {
      // Of an orderly end before: what it is about does not change any more.
      const position = sealPosition(bytes, later);
      const about = bytes.subarray(firstAt, position);
      if (position <= at && sealFits(bytes, later, digestOf(about, header))) continue;
      throw damagedAt("damaged record before a seal", path, at);
    }
    unused = false;
    // The group that was being written when power failed, and no other; its seal is its first record.
    tornGroup ??= groupOf(bytes, later);
    const torn = groupOf(bytes, later) === tornGroup && !isSeal(bytes, later);
    if (!torn || (tornGroup !== group && tornGroup !== nextGroup(group))) {
      throw damagedAt("damaged record before intact ones", path, at);
    }
  }
  return unused;
}

/** Whether the record at `at`, which is intact, is the copy of a seal that stands elsewhere. */
function isCopy(bytes: Buffer, at: number): boolean {
  return isSeal(bytes, at) && sealPosition(bytes, at) !== at;
}

/** Where the file ends but for empty records, bytes. */
function writtenTo(bytes: Buffer): number {
  let written = bytes.length - (bytes.length % recordLength);
  while (written > 0 && isEmpty(bytes.subarray(written - recordLength, written), 0)) {
    written -= recordLength;
  }
  const last = written - recordLength;
  if (last <= 0 || !isIntact(bytes, last) || !isCopy(bytes, last)) return written;
  // Up to where the copy is about, records were written for certain.
  return Math.max(writtenTo(bytes.subarray(0, last)), Math.min(sealPosition(bytes, last), last));
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
  const header = isHeader(bytes);
  const written = writtenTo(bytes);
  let at = header ? firstRecordAt(bytes) : recordLength;
  // Without its header a file does not tell where its first record is.
  while (!header && at < written && isEmpty(bytes.subarray(at, at + recordLength), 0)) {
    at += recordLength;
  }
  let digest = digestOf(bytes.subarray(0, recordLength), 0);
  let covered = at;
  for (; at < written; at += recordLength) {
    if (!isIntact(bytes, at)) {
      damaged.push(at);
      continue;
    }
    if (isSeal(bytes, at)) {
      // Behind a damaged record no seal fits, and that is told already.
      if (!header || damaged.length > 0 || isCopy(bytes, at)) continue;
      digest = digestOf(bytes.subarray(covered, at), digest);
      covered = at;
      if (!sealFits(bytes, at, digest)) damaged.push(at);
      continue;
    }
    const entry = decodeEntry(bytes, at);
    if (entry === undefined) unknown++;
    else entries.push(entry);
  }
  return { entries, damaged, unknown, header };
}
