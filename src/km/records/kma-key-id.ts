/**
 * IDs of KMA-keys (Y.3803 Table 1, item 2): the same at both ends, unique in a network, computed and never stored.
 * A UUID of version 8 (RFC 9562 §5.8): 48 bits of the SHA-256 of both KM IDs, then, around version and variant,
 * 48 bits number of the extent and 26 bits index of the unit in it.
 */
import { createHash } from "node:crypto";

const unitBits = 26n;
const lowBits = 62n;

/** What IDs of a link begin with: 6 bytes. @param kms IDs of both KMs, in any order */
export function linkPart(kms: readonly [string, string]): Buffer {
  const [first, second] = kms.map((id) => Buffer.from(id, "utf8")).sort(Buffer.compare);
  const hash = createHash("sha256").update("qkd KMA-key\0");
  return hash
    .update(first as Buffer)
    .update("\0")
    .update(second as Buffer)
    .digest()
    .subarray(0, 6);
}

/** @param extent up to 2^48 - 1; @param unit up to 2^26 - 1: which of its KMA-keys, from 0 */
export function kmaKeyId(link: Buffer, extent: number, unit: number): Buffer {
  const place = (BigInt(extent) << unitBits) | BigInt(unit);
  const id = Buffer.alloc(16);
  link.copy(id, 0, 0, 6);
  id.writeUInt16BE(0x8000 | Number(place >> lowBits), 6);
  id.writeBigUInt64BE((2n << lowBits) | (place & ((1n << lowBits) - 1n)), 8);
  return id;
}

/** @returns which unit an ID names; undefined if it is no KMA-key's of this link */
export function kmaKeyOf(
  link: Buffer,
  id: Buffer,
): { readonly extent: number; readonly unit: number } | undefined {
  if (id.length !== 16 || !id.subarray(0, 6).equals(link.subarray(0, 6))) return undefined;
  const high = id.readUInt16BE(6);
  const low = id.readBigUInt64BE(8);
  if (high >> 12 !== 8 || low >> lowBits !== 2n) return undefined;
  const place = (BigInt(high & 0xfff) << lowBits) | (low & ((1n << lowBits) - 1n));
  const unit = Number(place & ((1n << unitBits) - 1n));
  return { extent: Number(place >> unitBits), unit };
}

/** 16 bytes as a person writes them. */
export function uuid(id: Uint8Array): string {
  return uuidOf(Buffer.from(id).toString("hex"), 0);
}

/** The same from the middle of many in hexadecimal. @param at where its 32 digits begin */
export function uuidOf(hex: string, at: number): string {
  const part = (from: number, to: number) => hex.slice(at + from, at + to);
  return `${part(0, 8)}-${part(8, 12)}-${part(12, 16)}-${part(16, 20)}-${part(20, 32)}`;
}

/** @returns 16 bytes; undefined if it is no UUID */
export function parseUuid(text: string): Buffer | undefined {
  const plain = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i;
  return plain.test(text) ? Buffer.from(text.replaceAll("-", ""), "hex") : undefined;
}
