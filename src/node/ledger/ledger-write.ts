/** A ledger written as a whole, to take the place of one that is there; and groups, as bytes. */
import { Fault } from "../../base/errors.ts";
import { type FileSystem, type OpenFile, writeAll } from "../../host/disk/files.ts";
import type { LedgerEntry } from "../keys/ports.ts";
import {
  digestOf,
  encodeEntry,
  encodeSeal,
  fileHeader,
  maxFile,
  nextGroup,
  recordLength,
} from "./ledger-record.ts";

/** A file that is made after a failure leaves no longer a hole than this, bytes. */
const maxHole = 16 * 1024 * 1024;

/** Name of the task of writing a group to a ledger. */
export function writingTo(file: string): string {
  return `${file}: writing`;
}

/** An open ledger, and where it goes on. */
export interface Place {
  readonly file: OpenFile;
  /** Position of the first record, bytes. */
  readonly firstAt: number;
  /** Where the next group begins, bytes. All before it was synced. */
  readonly end: number;
  /** Group of the last record before that. */
  readonly group: number;
  /** Digest of all before that. */
  readonly digest: number;
  /** Length of the file, bytes; what is behind the records is zero. */
  readonly length: number;
}

/** @throws Fault `ledger.io` if a ledger would be longer than it may be */
export function checkLength(bytes: number, file: string): void {
  if (bytes <= maxFile) return;
  throw new Fault("ledger.io", "the module holds more than the ledger can have", {
    file,
    limit_bytes: maxFile,
  });
}

/**
 * One group as it is written: the seal of what is before it, then its entries; behind them zeros.
 * @param position in the file, bytes
 * @param digest of all before `position`
 * @param length of what is returned, bytes; undefined: no more than that
 */
export function encodeGroup(
  entries: readonly LedgerEntry[],
  group: number,
  position: number,
  digest: number,
  length = (entries.length + 1) * recordLength,
): Buffer {
  const bytes = Buffer.alloc(length);
  encodeSeal(bytes, 0, group, position, digest);
  encodeAll(entries, group, bytes, recordLength);
  return bytes;
}

function encodeAll(entries: readonly LedgerEntry[], group: number, target: Buffer, at: number) {
  let next = at;
  for (const entry of entries) {
    encodeEntry(entry, group, target, next);
    next += recordLength;
  }
}

export interface Whole {
  readonly entries: readonly LedgerEntry[];
  readonly group: number;
  /** Room behind the records, bytes. */
  readonly reserveBytes: number;
  /**
   * End of what the file before could not sync, bytes. It is left out: what still has to do with the
   * failed write may go by name and position (an overlay, a network file system).
   */
  readonly doubtfulTo?: number;
}

/**
 * Puts a ledger, sealed, in the place of another: the one or the other is there after a power cut.
 * What was begun is removed if that fails.
 * @throws Fault `ledger.io`, a system error
 */
export async function placeLedger(files: FileSystem, path: string, whole: Whole): Promise<Place> {
  const { entries, group, reserveBytes, doubtfulTo = 0 } = whole;
  const holeTo = Math.ceil(doubtfulTo / recordLength) * recordLength;
  const firstAt = holeTo > recordLength && holeTo <= maxHole ? holeTo : recordLength;
  const used = entries.length * recordLength;
  const end = firstAt + used;
  const length = end + recordLength + reserveBytes;
  checkLength(length, path);
  const header = fileHeader(group, end, firstAt);
  const body = Buffer.alloc(length - firstAt);
  encodeAll(entries, group, body, 0);
  const digest = digestOf(body.subarray(0, used), digestOf(header, 0));
  encodeSeal(body, used, nextGroup(group), end, digest);
  await replaceParts(files, path, [
    [header, 0],
    [body, firstAt],
  ]);
  const file = await files.open(path, "r+", 0o600);
  return { file, firstAt, end, group, digest, length };
}

/** As `replaceFile`; what is between the parts stays a hole. */
async function replaceParts(
  files: FileSystem,
  path: string,
  parts: readonly (readonly [bytes: Buffer, position: number])[],
): Promise<void> {
  const temporary = `${path}.new`;
  await files.remove(temporary);
  try {
    const file = await files.open(temporary, "wx", 0o600);
    try {
      for (const [bytes, position] of parts) await writeAll(file, bytes, position);
      await file.datasync();
    } finally {
      await file.close();
    }
    await files.rename(temporary, path);
  } catch (error) {
    await files.remove(temporary).catch(() => {});
    throw error;
  }
  await files.syncFolder(folderOf(path));
}

export function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}
