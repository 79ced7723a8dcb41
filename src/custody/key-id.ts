/**
 * QKD-key IDs that both ends of a link compute alike, and that a key gets again when it is read
 * again: never drawn, never counted, never made from the key's bytes.
 *
 * A UUID version 8 (RFC 9562 §5.8) whose bits come from SHA-256 over, each followed by a 0x00 byte
 * where it is text: the label, the two module IDs in lexicographic order of their UTF-8 bytes, then
 * epoch (8 bytes), block number (u64), and offset and length in bits (u32 each), big-endian.
 */
import { hash } from "node:crypto";
import type { BlockFacts, BlockRef } from "../port/key.ts";

const label = "qkd-node key id v1";

/** Computes the IDs of one link's keys. */
export class KeyIds {
  readonly #input: Buffer;
  readonly #at: number;

  /** The order of the two does not matter. */
  constructor(moduleId: string, matchingModuleId: string) {
    const names = [Buffer.from(moduleId), Buffer.from(matchingModuleId)].sort(Buffer.compare);
    const zero = Buffer.alloc(1);
    const head = [Buffer.from(label), zero, ...names.flatMap((name) => [name, zero])];
    this.#input = Buffer.concat([...head, Buffer.alloc(24)]);
    this.#at = this.#input.length - 24;
  }

  /**
   * The ID of the bits `[offset, offset + length)` of a block; a whole block is the slice from 0 to
   * its length.
   * @returns a UUID in lower case
   */
  of(block: BlockRef, offset: number, length: number): string {
    const input = this.#input;
    const at = this.#at;
    input.write(block.epoch, at, 8, "hex");
    input.writeUInt32BE(Math.floor(block.number / 0x1_0000_0000), at + 8);
    input.writeUInt32BE(block.number % 0x1_0000_0000, at + 12);
    input.writeUInt32BE(offset, at + 16);
    input.writeUInt32BE(length, at + 20);
    const digest = hash("sha256", input, "hex");
    const variant = "89ab"[Number.parseInt(digest.charAt(16), 16) & 3];
    return (
      `${digest.slice(0, 8)}-${digest.slice(8, 12)}-8${digest.slice(13, 16)}` +
      `-${variant}${digest.slice(17, 20)}-${digest.slice(20, 32)}`
    );
  }
}

/** The ID of a piece of a block: what the modules themselves call the block, where it is all of it. */
export function keyIdOf(ids: KeyIds, block: BlockFacts, offset: number, length: number): string {
  if (block.uuid !== undefined && length === block.bits) return block.uuid;
  return ids.of(block.ref, offset, length);
}

/** Names a KM in the ledger: 32 hex digits. */
export function slotOfKm(km: string): string {
  return hash("sha256", km, "hex").slice(0, 32);
}
