/**
 * The ledger's records: 64 bytes each, with a CRC of their own, so that a torn write is seen.
 *
 *  0 u8 kind · 1 u8 length of reason · 2 u16 group · 4 epoch (8 bytes) · 12 u64 block number ·
 * 20 key ID (16 bytes) · 36 reason (24 bytes, ASCII) · 60 u32 CRC-32 of the 60 bytes before;
 * numbers are big-endian. Of an assignment, instead of a reason: 36 u32 offset · 40 u32 length ·
 * 44 claimant (16 bytes). Of a cut: 36 u32 key length or 0 · 40 u32 flags (1 upon request, 2 has a claimant) ·
 * 44 claimant. Of a KM that was freed: 44 claimant, and the rest 0. Of what is past: 36 u64 first
 * number of the range. Of what is delivered up to a place: 36 u32 bits from the block's first. Of a
 * claim: 36 u64 first number of the range, 44 claimant. Of a part of a name: 1 u8 its length, 4 u16 which
 * part, 20 the pair's ID, 36 its bytes; of a module or an epoch's pair: 20 the pair's ID. A key ID of
 * zeros means the whole block.
 * Behind the last record the file may have zeros: room that was made before it is needed.
 *
 * Records that were written and synced together share a group number, counted modulo 65,536. A disk
 * may write the sectors of one group in any order: when power fails, intact records can stand behind
 * damaged ones. Within the last group that is a torn tail; anywhere else it is damage.
 *
 * A group begins with a seal, which says that all records before it were synced: 12 u64 its own
 * position in the file · 36 u32 digest of the header and all records before it. The seal is written
 * alone as soon as that is so, and again with the group: a power cut can tear it, but damage before
 * an intact seal is never a torn write. An orderly end writes a copy of the last seal at the end of
 * the file too, in another block of the disk. Files of earlier versions have no seals.
 *
 * The header has at 48 a u32, the position of the seal that was written and synced with it, or 0; and
 * at 52 a u32, the position of the first record; 0: behind the header. What is in between means nothing.
 */
import { crc32 } from "node:zlib";
import { type LedgerEntry, withheldReasons } from "../keys/ports.ts";

export const recordLength = 64;
/** A ledger is bounded by what the module holds unreleased; this many bytes are a million blocks. */
export const maxFile = 256 * 1024 * 1024;
const reasonAt = 36;
const crcAt = 60;
const groupAt = 2;
/** Where the header has the group of the records that were written with it. */
const headerGroupAt = 56;
/** Where the header has the positions of its seal and of the first record. */
const sealedAtAt = 48;
const firstAtAt = 52;
const groups = 65_536;
const keyIdAt = 20;
/** Which part of a name it is. */
const partAt = 4;
/** Of a seal, which is no entry: its position in `kinds`, from 1, is left free. */
const sealKind = 16;
const positionAt = 12;
const claimantAt = reasonAt + 8;
const onRequestFlag = 1;
const claimantFlag = 2;

/** The first record of a file, in place of an entry: tells what the file is, and its version. */
const magic = Buffer.from("qkd-node ledger 1\n");
/** The same where the first record is not behind the header: an earlier version must not read it. */
const magicOfLater = Buffer.from("qkd-node ledger 2\n");
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
  undefined,
  "returned",
  "untouched",
  "name",
  "module",
  "paired",
  "repaired",
  "doubt_over",
  "forgotten",
  "trusted",
  "sent",
] as const;

const wholeBlock = "00000000-0000-0000-0000-000000000000";

function withCrc(record: Buffer): Buffer {
  record.writeUInt32BE(crc32(record.subarray(0, crcAt)), crcAt);
  return record;
}

/**
 * @param group of the records written together with it
 * @param sealAt position of the seal that is synced together with it, bytes; 0: there is none
 * @param firstAt position of the first record, a multiple of 64 bytes
 */
export function fileHeader(group: number, sealAt = 0, firstAt = recordLength): Buffer {
  const record = Buffer.alloc(recordLength);
  const later = firstAt !== recordLength;
  (later ? magicOfLater : magic).copy(record);
  record.writeUInt32BE(sealAt, sealedAtAt);
  if (later) record.writeUInt32BE(firstAt, firstAtAt);
  record.writeUInt16BE(group, headerGroupAt);
  return withCrc(record);
}

/** Position of the seal that was synced with the header, bytes; 0: there is none. */
export function sealedAt(bytes: Buffer): number {
  return bytes.readUInt32BE(sealedAtAt);
}

/** Position of the first record, bytes, of a file that has a header. */
export function firstRecordAt(bytes: Buffer): number {
  const at = bytes.readUInt32BE(firstAtAt);
  return at === 0 ? recordLength : at;
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
  if (!isIntact(bytes, 0)) return false;
  const text = bytes.subarray(0, magic.length);
  return text.equals(magic) || text.equals(magicOfLater);
}

/**
 * Writes a seal at `at` of `target`, where 64 bytes are zero.
 * @param group of the records written together with it
 * @param position of the seal in the file, bytes
 * @param digest of all before it: {@link digestOf}
 */
export function encodeSeal(
  target: Buffer,
  at: number,
  group: number,
  position: number,
  digest: number,
): void {
  const record = target.subarray(at, at + recordLength);
  record[0] = sealKind;
  record.writeUInt16BE(group, groupAt);
  record.writeBigUInt64BE(BigInt(position), positionAt);
  record.writeUInt32BE(digest, reasonAt);
  withCrc(record);
}

/** Whether the record at `at`, which is intact, is a seal. */
export function isSeal(bytes: Buffer, at: number): boolean {
  return bytes[at] === sealKind;
}

/** Position that the seal at `at` is about, bytes: its own, but for a copy. */
export function sealPosition(bytes: Buffer, at: number): number {
  return Number(bytes.readBigUInt64BE(at + positionAt));
}

/** Whether all before the position of the seal at `at` has this digest. */
export function sealFits(bytes: Buffer, at: number, digest: number): boolean {
  return bytes.readUInt32BE(at + reasonAt) === digest;
}

/**
 * Stands for a header and the records behind it, in parts: another record, or another order, has
 * another digest. Made of their CRCs: those of all bytes would be computed twice.
 * @param before of the parts before; 0: none
 */
export function digestOf(records: Buffer, before: number): number {
  let digest = before;
  for (let at = crcAt; at + 4 <= records.length; at += recordLength) {
    digest = Math.imul(digest ^ records.readUInt32BE(at), 0x9e3779b1);
    digest ^= digest >>> 15;
  }
  return digest >>> 0;
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
    const flags =
      (entry.onRequest ? onRequestFlag : 0) | (entry.claimant === undefined ? 0 : claimantFlag);
    record.writeUInt32BE(flags, reasonAt + 4);
  }
  if (entry.kind === "delivered_to") record.writeUInt32BE(entry.bits, reasonAt);
  if (entry.kind === "past" || entry.kind === "claimed")
    record.writeBigUInt64BE(BigInt(entry.from), reasonAt);
  if ("claimant" in entry && entry.claimant !== undefined)
    record.write(entry.claimant, claimantAt, 16, "hex");
  if ("reason" in entry && entry.reason !== undefined)
    record[1] = record.write(entry.reason, reasonAt, crcAt - reasonAt, "ascii");
  withCrc(record);
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
  const claimant = () => bytes.toString("hex", at + claimantAt, at + crcAt);
  const id = () => bytes.toString("hex", at + keyIdAt, at + keyIdAt + 16);
  const reason = () => {
    const length = Math.min(bytes[at + 1] as number, crcAt - reasonAt);
    return bytes.toString("ascii", at + reasonAt, at + reasonAt + length);
  };
  switch (kind) {
    case undefined:
      return undefined;
    case "delivered":
    case "sent":
    case "returned":
      return { kind, ref, keyId: keyId() };
    case "assigned": {
      const offset = bytes.readUInt32BE(at + reasonAt);
      const length = bytes.readUInt32BE(at + reasonAt + 4);
      return { kind, ref, keyId: keyId(), offset, length, claimant: claimant() };
    }
    case "cut": {
      const bits = bytes.readUInt32BE(at + reasonAt);
      const flags = bytes.readUInt32BE(at + reasonAt + 4);
      return {
        kind,
        ref,
        keyBits: bits === 0 ? undefined : bits,
        onRequest: (flags & onRequestFlag) !== 0,
        claimant: (flags & claimantFlag) === 0 ? undefined : claimant(),
      };
    }
    case "delivered_to":
      return { kind, ref, bits: bytes.readUInt32BE(at + reasonAt) };
    case "freed":
      return { kind, claimant: claimant() };
    case "past":
      return { kind, ref, from: Number(bytes.readBigUInt64BE(at + reasonAt)) };
    case "claimed":
      return {
        kind,
        ref,
        from: Number(bytes.readBigUInt64BE(at + reasonAt)),
        claimant: claimant(),
      };
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
    case "discarded":
    case "reinstated": {
      const named = keyId();
      const entry = { kind, ref, keyId: named === wholeBlock ? undefined : named };
      const why = reason();
      const known = why === "damaged" ? why : withheldReasons.find((name) => name === why);
      return kind === "discarded" || known === undefined
        ? entry
        : { ...entry, kind, reason: known };
    }
    case "quarantined":
      return { kind, ref, keyId: keyId(), reason: reason() };
    default:
      return { kind, ref };
  }
}
