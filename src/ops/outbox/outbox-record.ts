/**
 * Records of the outbox's file. Each begins with a mark that JSON can't contain and carries a CRC, so
 * that a torn or damaged one is seen and what follows it is found again.
 *
 *  0 mark (4 bytes) · 4 u32 CRC-32 of all that follows · 8 u8 kind · 9 u8 0 · 10 u16 length of the
 *  payload · 12 u64 id · 20 payload; numbers are big-endian.
 */
import { crc32 } from "node:zlib";
import { maxPayload } from "./payload.ts";

const mark = Buffer.from([0xff, 0x1e, 0x51, 0x02]);
export const headLength = 20;
/** No record is longer, bytes. */
export const longestRecord = headLength + maxPayload;

const kinds = { kept: 1, routine: 2, gone: 3 } as const;

/** `kept`, `routine`: an event that waits, of that class; `gone`: the broker has it, or never takes it. */
export type RecordKind = keyof typeof kinds;

export interface OutboxRecord {
  readonly kind: RecordKind;
  readonly id: number;
  /** Where the record begins, and its whole length, bytes. */
  readonly at: number;
  readonly length: number;
}

/** @param payload at most 16 KiB; none for `gone` */
export function encodeRecord(
  kind: RecordKind,
  id: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const record = Buffer.alloc(headLength + payload.length);
  mark.copy(record);
  record[8] = kinds[kind];
  record.writeUInt16BE(payload.length, 10);
  record.writeBigUInt64BE(BigInt(id), 12);
  payload.copy(record, headLength);
  record.writeUInt32BE(crc32(record.subarray(8)), 4);
  return record;
}

/**
 * The record at `at`.
 * @returns undefined if there is none, or it is damaged; "more" if it goes on past the end
 */
export function decodeRecord(bytes: Buffer, at: number): OutboxRecord | "more" | undefined {
  const left = bytes.length - at;
  if (left < headLength) return "more";
  if (bytes.compare(mark, 0, mark.length, at, at + mark.length) !== 0) return undefined;
  const size = bytes.readUInt16BE(at + 10);
  if (size > maxPayload) return undefined;
  const length = headLength + size;
  if (left < length) return "more";
  if (crc32(bytes.subarray(at + 8, at + length)) !== bytes.readUInt32BE(at + 4)) return undefined;
  const kind = (Object.keys(kinds) as RecordKind[]).find((name) => kinds[name] === bytes[at + 8]);
  const id = Number(bytes.readBigUInt64BE(at + 12));
  if (kind === undefined || !Number.isSafeInteger(id)) return undefined;
  return { kind, id, at, length };
}

/** Whether this may be a record that was not written to its end: the mark, or zeros that were never written over. */
export function mayBeTorn(bytes: Buffer): boolean {
  return mark.every((byte, at) => [byte, 0, undefined].includes(bytes[at]));
}

/** Where the next record may begin, after damage. */
export function nextMark(bytes: Buffer, from: number): number {
  const found = bytes.indexOf(mark, from);
  return found >= 0 ? found : Math.max(from, bytes.length - mark.length + 1);
}
