/**
 * The ledger's records: 64 bytes each, with a CRC of their own, so that a torn write is seen.
 *
 *  0 u8 kind · 1 u8 length of reason · 2 u16 group · 4 epoch (8 bytes) · 12 u64 block number ·
 * 20 key ID (16 bytes) · 36 reason (24 bytes, ASCII) · 60 u32 CRC-32 of the 60 bytes before;
 * numbers are big-endian. Of an assignment, instead of a reason: 36 u32 offset · 40 u32 length ·
 * 44 slot (16 bytes). Of a cut: 36 u32 key length or 0 · 40 u32 flags (1 upon request, 2 has a slot) ·
 * 44 slot. Of a KM that was freed: 44 slot, and the rest 0. Of what is past: 36 u64 first
 * number of the range. Of what is delivered up to a place: 36 u32 bits from the block's first. Of a
 * claim: 36 u64 first number of the range, 44 slot. Of a part of a name: 1 u8 its length, 4 u16 which
 * part, 20 the pair's ID, 36 its bytes; of a module or an epoch's pair: 20 the pair's ID. A key ID of
 * zeros means the whole block.
 * Behind the last record the file may have zeros: room that was made before it is needed.
 *
 * Records that were written and synced together share a group number, counted modulo 65,536. A disk
 * may write the sectors of one group in any order: when power fails, intact records can stand behind
 * damaged ones. Within the last group that is a torn tail; anywhere else it is damage.
 */
import { crc32 } from "node:zlib";
import { type LedgerEntry, withheldReasons } from "./ports.ts";

export const recordLength = 64;
const reasonAt = 36;
const crcAt = 60;
const groupAt = 2;
/** Where the header has the group of the records that were written with it. */
const headerGroupAt = 56;
const groups = 65_536;
const keyIdAt = 20;
/** Which part of a name it is. */
const partAt = 4;
const slotAt = reasonAt + 8;
const onRequestFlag = 1;
const slotFlag = 2;

/** The first record of a file, in place of an entry: tells what the file is, and its version. */
const magic = Buffer.from("qkd-node ledger 1\n");
/** Room that is kept is compared with this. */
const zeros = Buffer.alloc(65_536);

const kinds = [
  "delivered",
  "complete",
  "quarantined",
  "withheld",
  "damaged",
  "released",
  "assigned",
  "cut",
  "freed",
  "discarded",
  "reinstated",
  "doubtful",
  "past",
  "delivered_to",
  "claimed",
  "sealed",
  "returned",
  "untouched",
  "name",
  "module",
  "paired",
  "repaired",
  "doubt_over",
  "forgotten",
  "trusted",
] as const;

const wholeBlock = "00000000-0000-0000-0000-000000000000";

function sealed(record: Buffer): Buffer {
  record.writeUInt32BE(crc32(record.subarray(0, crcAt)), crcAt);
  return record;
}

/** @param group of the records written together with it */
export function fileHeader(group: number): Buffer {
  const record = Buffer.alloc(recordLength);
  magic.copy(record);
  record.writeUInt16BE(group, headerGroupAt);
  return sealed(record);
}

/** The group of the record at `at`, which is intact. */
export function groupOf(bytes: Buffer, at: number): number {
  return bytes.readUInt16BE(at + (at === 0 ? headerGroupAt : groupAt));
}

export function nextGroup(group: number): number {
  return (group + 1) % groups;
}

/** Whether the 64 bytes at `at` are a record that was written whole. */
export function isIntact(bytes: Buffer, at: number): boolean {
  if (bytes.length - at < recordLength) return false;
  return crc32(bytes.subarray(at, at + crcAt)) === bytes.readUInt32BE(at + crcAt);
}

export function isHeader(bytes: Buffer): boolean {
  return isIntact(bytes, 0) && bytes.subarray(0, magic.length).equals(magic);
}

/** Whether nothing was ever written from `at` on. */
export function isEmpty(bytes: Buffer, at: number): boolean {
  for (let from = at; from < bytes.length; from += zeros.length) {
    const part = bytes.subarray(from, from + zeros.length);
    if (!part.equals(zeros.subarray(0, part.length))) return false;
  }
  return true;
}

/** Writes a record at `at` of `target`, where 64 bytes are zero. */
export function encodeEntry(entry: LedgerEntry, group: number, target: Buffer, at: number): void {
  const record = target.subarray(at, at + recordLength);
  record.writeUInt16BE(group, groupAt);
  record[0] = kinds.indexOf(entry.kind) + 1;
  if ("ref" in entry) {
    record.write(entry.ref.epoch, 4, 8, "hex");
    record.writeBigUInt64BE(BigInt(entry.ref.number), 12);
  }
  if ("keyId" in entry && entry.keyId !== undefined) {
    record.write(entry.keyId.replaceAll("-", ""), keyIdAt, 16, "hex");
  }
  if ("id" in entry) record.write(entry.id, keyIdAt, 16, "hex");
  if (entry.kind === "name") {
    record.writeUInt16BE(entry.part, partAt);
    record[1] = record.write(entry.hex, reasonAt, crcAt - reasonAt, "hex");
  }
  if (entry.kind === "assigned") {
    record.writeUInt32BE(entry.offset, reasonAt);
    record.writeUInt32BE(entry.length, reasonAt + 4);
  }
  if (entry.kind === "cut") {
    record.writeUInt32BE(entry.keyBits ?? 0, reasonAt);
    const flags = (entry.onRequest ? onRequestFlag : 0) | (entry.slot === undefined ? 0 : slotFlag);
    record.writeUInt32BE(flags, reasonAt + 4);
  }
  if (entry.kind === "delivered_to") record.writeUInt32BE(entry.bits, reasonAt);
  if (entry.kind === "past" || entry.kind === "claimed")
    record.writeBigUInt64BE(BigInt(entry.from), reasonAt);
  if ("slot" in entry && entry.slot !== undefined) record.write(entry.slot, slotAt, 16, "hex");
  if ("reason" in entry && entry.reason !== undefined)
    record[1] = record.write(entry.reason, reasonAt, crcAt - reasonAt, "ascii");
  sealed(record);
}

/** @returns undefined for a kind that this version does not know */
export function decodeEntry(bytes: Buffer, at: number): LedgerEntry | undefined {
  const kind = kinds[(bytes[at] as number) - 1];
  const ref = {
    epoch: bytes.toString("hex", at + 4, at + 12),
    number: Number(bytes.readBigUInt64BE(at + 12)),
  };
  // Made where they are asked for: a start reads a hundred thousand records.
  const keyId = () =>
    bytes
      .toString("hex", at + keyIdAt, at + reasonAt)
      .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  const slot = () => bytes.toString("hex", at + slotAt, at + crcAt);
  const id = () => bytes.toString("hex", at + keyIdAt, at + keyIdAt + 16);
  const reason = () => {
    const length = Math.min(bytes[at + 1] as number, crcAt - reasonAt);
    return bytes.toString("ascii", at + reasonAt, at + reasonAt + length);
  };
  switch (kind) {
    case undefined:
      return undefined;
    case "delivered":
      return { kind, ref, keyId: keyId() };
    case "assigned": {
      const offset = bytes.readUInt32BE(at + reasonAt);
      const length = bytes.readUInt32BE(at + reasonAt + 4);
      return { kind, ref, keyId: keyId(), offset, length, slot: slot() };
    }
    case "cut": {
      const bits = bytes.readUInt32BE(at + reasonAt);
      const flags = bytes.readUInt32BE(at + reasonAt + 4);
      return {
        kind,
        ref,
        keyBits: bits === 0 ? undefined : bits,
        onRequest: (flags & onRequestFlag) !== 0,
        slot: (flags & slotFlag) === 0 ? undefined : slot(),
      };
    }
    case "delivered_to":
      return { kind, ref, bits: bytes.readUInt32BE(at + reasonAt) };
    case "freed":
      return { kind, slot: slot() };
    case "past":
      return { kind, ref, from: Number(bytes.readBigUInt64BE(at + reasonAt)) };
    case "claimed":
      return { kind, ref, from: Number(bytes.readBigUInt64BE(at + reasonAt)), slot: slot() };
    case "name": {
      const end = at + reasonAt + Math.min(bytes[at + 1] as number, crcAt - reasonAt);
      const hex = bytes.toString("hex", at + reasonAt, end);
      return { kind, id: id(), part: bytes.readUInt16BE(at + partAt), hex };
    }
    case "module":
      return { kind, id: id() };
    case "paired":
      return { kind, ref, id: id() };
    case "repaired":
    case "doubt_over":
    case "trusted":
      return { kind };
    case "withheld": {
      const why = withheldReasons.find((name) => name === reason());
      return why === undefined ? { kind, ref } : { kind, ref, reason: why };
    }
    case "sealed":
    case "returned":
      return undefined;
    case "discarded":
    case "reinstated": {
      const id = keyId();
      return { kind, ref, keyId: id === wholeBlock ? undefined : id };
    }
    case "quarantined":
      return { kind, ref, keyId: keyId(), reason: reason() };
    default:
      return { kind, ref };
  }
}
