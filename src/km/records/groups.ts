/**
 * Files of records: a header that says which file it is, then groups, each written and synced as one. What is
 * behind the last whole group was cut off by a power cut. Pure.
 */
import { crc32 } from "node:zlib";

const magic = Buffer.from("QKDKMLR2");
/** Magic, number of the file, number of its first record, checksum. */
export const fileHeader = 24;
/** Length of the payload, checksum over the file's number and the payload. */
export const groupHeader = 8;
/** A payload is no longer than this. */
export const longestGroup = 33_554_432;

export interface FileHead {
  readonly number: number;
  /** Number of its first record, if there is one. */
  readonly first: number;
}

export function headerOf({ number, first }: FileHead): Buffer {
  const header = Buffer.alloc(fileHeader);
  magic.copy(header);
  header.writeUIntBE(number, 8, 6);
  header.writeUIntBE(first, 14, 6);
  header.writeUInt32BE(crc32(header.subarray(0, 20)), 20);
  return header;
}

/** What a file says of itself; undefined if it is none of records. */
export function headIn(header: Buffer): FileHead | undefined {
  if (header.length < fileHeader || !header.subarray(0, 8).equals(magic)) return undefined;
  if (header.readUInt32BE(20) !== crc32(header.subarray(0, 20))) return undefined;
  return { number: header.readUIntBE(8, 6), first: header.readUIntBE(14, 6) };
}

export function groupOf(records: readonly Buffer[], number: number): Buffer {
  const payload = Buffer.concat(records);
  const header = Buffer.alloc(groupHeader);
  header.writeUInt32BE(payload.length, 0);
  header.writeUInt32BE(checksum(payload, number), 4);
  return Buffer.concat([header, payload]);
}

function checksum(payload: Buffer, number: number): number {
  const prefix = Buffer.alloc(10);
  prefix.writeUIntBE(number, 0, 6);
  prefix.writeUInt32BE(payload.length, 6);
  return crc32(payload, crc32(prefix));
}

/** The length of the group that begins at `at`, with its header; undefined if it is no whole header of one. */
export function groupLength(bytes: Buffer, at: number): number | undefined {
  if (at + groupHeader > bytes.length) return undefined;
  const length = bytes.readUInt32BE(at);
  return length === 0 || length > longestGroup ? undefined : groupHeader + length;
}

/** The payload of a group as it was read; undefined if it was not written to its end. */
export function payloadOf(group: Buffer, number: number): Buffer | undefined {
  const payload = group.subarray(groupHeader);
  return group.readUInt32BE(4) === checksum(payload, number) ? payload : undefined;
}
