/**
 * QKD-key IDs that both ends of a link compute alike, and that a key gets again when it is read
 * again: never drawn, never counted, never made from the key's bytes.
 *
 * A UUID version 8 (RFC 9562 §5.8) whose bits come from SHA-256 over, each followed by a 0x00 byte
 * where it is text: the label, the two module IDs in lexicographic order of their UTF-8 bytes, then
 * epoch (8 bytes), block number (u64), and offset and length in bits (u32 each), big-endian.
 */
import { hash } from "node:crypto";
import type { BlockFacts, BlockRef } from "../../port/key.ts";
import { engine, place, scratch } from "../../wire/kq1/engine.ts";
import type { ModulePair } from "./ports.ts";

const label = "qkd-node key id v1";
const shaBlock = 64;
const uuidLength = 36;

/** Where in the engine's memory an ID is made, and which link's names and block are there already. */
const digestAt = place.ids;
const uuidAt = digestAt + 64;
const inputAt = uuidAt + 64;
let prepared: { readonly ids: KeyIds; readonly block: BlockRef } | undefined;

/** Computes the IDs of one link's keys. */
export class KeyIds {
  /** The input, padded to whole blocks of SHA-256 (FIPS 180-4 §5.1.1), and where the block begins. */
  readonly #input: Buffer;
  readonly #at: number;

  /** The order of the two does not matter. */
  constructor(moduleId: string, matchingModuleId: string) {
    const names = [Buffer.from(moduleId), Buffer.from(matchingModuleId)].sort(Buffer.compare);
    const zero = Buffer.alloc(1);
    const head = Buffer.concat([
      Buffer.from(label),
      zero,
      ...names.flatMap((name) => [name, zero]),
    ]);
    const length = head.length + 24;
    this.#input = Buffer.alloc(Math.ceil((length + 9) / shaBlock) * shaBlock);
    this.#at = head.copy(this.#input);
    this.#input[length] = 0x80;
    this.#input.writeUInt32BE(length * 8, this.#input.length - 4);
  }

  /**
   * The ID of the bits `[offset, offset + length)` of a block; a whole block is the slice from 0 to
   * its length.
   * @returns a UUID in lower case
   */
  of(block: BlockRef, offset: number, length: number): string {
    if (prepared?.ids !== this || prepared.block !== block) this.#prepare(block);
    const at = inputAt + this.#at + 16;
    writeU32(offset, at);
    writeU32(length, at + 4);
    engine.sha256(inputAt, inputAt + this.#input.length, digestAt);
    return uuid();
  }

  #prepare(block: BlockRef): void {
    const at = inputAt + this.#at;
    this.#input.copy(scratch, inputAt);
    scratch.write(block.epoch, at, 8, "hex");
    scratch.writeUInt32BE(Math.floor(block.number / 0x1_0000_0000), at + 8);
    scratch.writeUInt32BE(block.number % 0x1_0000_0000, at + 12);
    prepared = { ids: this, block };
  }
}

function writeU32(value: number, at: number): void {
  scratch[at] = value >>> 24;
  scratch[at + 1] = value >>> 16;
  scratch[at + 2] = value >>> 8;
  scratch[at + 3] = value;
}

/** The first half of the digest's digits, with version, variant and dashes. */
function uuid(): string {
  let to = uuidAt;
  for (let i = 0; i < 32; i++) {
    if (i === 8 || i === 12 || i === 16 || i === 20) scratch[to++] = 0x2d;
    scratch[to++] = scratch[digestAt + i] as number;
  }
  const nibble = scratch[digestAt + 16] as number;
  // 8 is the version, and 8, 9, a or b the variant; 0 to 9 and a to f have the values of their last
  // bits, a being 1 more than it looks.
  scratch[uuidAt + 14] = 0x38;
  scratch[uuidAt + 19] = variants[(nibble < 0x3a ? nibble : nibble + 1) & 3] as number;
  return scratch.toString("latin1", uuidAt, uuidAt + uuidLength);
}

const variants = Buffer.from("89ab");

/** Where key IDs come from. */
export interface IdSource {
  /** @see KeyIds.of */
  of(block: BlockRef, offset: number, length: number): string;
}

/** Computes the IDs of a module's keys: of each epoch from the pair of modules that it was recorded for. */
export class EpochIds implements IdSource {
  readonly #pairOf: (epoch: string) => ModulePair | undefined;
  readonly #now: ModulePair;
  #last: { readonly epoch: string; readonly ids: KeyIds } | undefined;

  /** @param now the pair of an epoch for which none is recorded yet */
  constructor(pairOf: (epoch: string) => ModulePair | undefined, now: ModulePair) {
    this.#pairOf = pairOf;
    this.#now = now;
  }

  of(block: BlockRef, offset: number, length: number): string {
    const { epoch } = block;
    // Keys of one epoch come in a row, and what is recorded of it never changes.
    if (this.#last?.epoch !== epoch) {
      const { moduleId, matchingModuleId } = this.#pairOf(epoch) ?? this.#now;
      this.#last = { epoch, ids: new KeyIds(moduleId, matchingModuleId) };
    }
    return this.#last.ids.of(block, offset, length);
  }
}

/** The ID of a piece of a block: what the modules themselves call the block, where it is all of it. */
export function keyIdOf(ids: IdSource, block: BlockFacts, offset: number, length: number): string {
  if (block.uuid !== undefined && length === block.bits) return block.uuid;
  return ids.of(block.ref, offset, length);
}

/** Names a KM in the ledger: 32 hex digits. */
export function claimantOfKm(km: string): string {
  return hash("sha256", km, "hex").slice(0, 32);
}
