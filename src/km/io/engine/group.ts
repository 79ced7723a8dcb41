/**
 * QKD-keys that became durable with one sync, as one sealed group in an intake segment. A key is named by the
 * number of its group and its place in it.
 */
import type { KeyObject } from "node:crypto";
import { keyMemory, wipeMemory } from "../../../port/key.ts";
import { type ReceivedKeys, wholeBytes } from "../../keys/received.ts";
import type { BufferedKeys } from "../../store/buffered.ts";
import type { Handle } from "../../store/port.ts";
import { giveKeyMemory, keyMemoryRoom, takeKeyMemory } from "./key-pool.ts";
import { bitsFor } from "./lost-keys.ts";
import type { Scratch } from "./scratch.ts";
import { open, seal } from "./sealing.ts";

/** Keys of a group at most: a handle has 16 bits for them. */
export const groupKeys = 65_536;
/** Bytes of key that a group has at most, but for its first key. */
export const groupBytes = 4_194_304;
/** Magic, group number, lengths of facts and key bytes, tag. */
export const groupHeader = 4 + 8 + 4 + 4 + 16;
/** How a group begins. */
export const groupMagic = Buffer.from("qkg1", "latin1");
const magic = groupMagic.readUInt32BE(0);
/** Module, ID, bits, stamp, QBER, time of storage. */
const factLength = 2 + 16 + 4 + 8 + 8 + 8;

export function handleOf(group: number, place: number): Handle {
  return group * groupKeys + place;
}

export function groupOf(handle: Handle): number {
  return Math.floor(handle / groupKeys);
}

export function placeOf(handle: Handle): number {
  return handle % groupKeys;
}

/** Memory of the last builder, for the next: a group has many keys or one, and each had cost as much. */
let spare: Buffer | undefined;
/** Bytes of key that a builder has room for to begin with: as many as the last one had, within these. */
const leastRoom = 65_536;
const mostRoom = 1_048_576;
let lastLength = 0;

/** Gathers keys until they are sealed. */
export class GroupBuilder {
  readonly number: number;
  #facts: Buffer;
  #bytes: Buffer;
  #count = 0;
  #length = 0;
  readonly #modules: string[] = [];

  constructor(number: number) {
    this.number = number;
    this.#facts = spare ?? Buffer.allocUnsafe(16_384);
    this.#bytes = takeKeyMemory(Math.min(Math.max(lastLength, leastRoom), mostRoom));
    spare = undefined;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether it takes one more key, of so many bytes with those before it. @param keys that are to come before it */
  hasRoom(length: number, keys = 0): boolean {
    const isFirst = this.#length + keys === 0;
    return this.#count + keys < groupKeys && (isFirst || this.#length + length <= groupBytes);
  }

  /**
   * Takes as many keys as there is room for, at least one.
   * @param from the first of them @param handles to be filled in
   * @returns the first that it has no room for
   */
  add(module: string, keys: ReceivedKeys, from: number, at: number, handles: Float64Array): number {
    const index = this.#moduleIndex(module);
    let start = 0;
    for (let i = 0; i < from; i++) start += wholeBytes(keys.bits[i] as number);
    let end = start;
    let to = from;
    for (; to < keys.count; to++) {
      const length = wholeBytes(keys.bits[to] as number);
      if (to > from && !this.hasRoom(end - start + length, to - from)) break;
      end += length;
    }
    this.#reserve(to - from, end - start);
    const facts = this.#facts;
    const view = new DataView(facts.buffer, facts.byteOffset, facts.length);
    for (let i = from; i < to; i++) {
      const fact = this.#count * factLength;
      view.setUint16(fact, index);
      for (let k = 0; k < 16; k++) facts[fact + 2 + k] = keys.ids[i * 16 + k] as number;
      view.setUint32(fact + 18, keys.bits[i] as number);
      view.setFloat64(fact + 22, keys.generatedAt[i] as number);
      view.setFloat64(fact + 30, keys.qber[i] as number);
      view.setFloat64(fact + 38, at);
      handles[i] = handleOf(this.number, this.#count++);
    }
    this.#bytes.set(keys.bytes.subarray(start, end), this.#length);
    this.#length += end - start;
    return to;
  }

  #moduleIndex(module: string): number {
    const index = this.#modules.indexOf(module);
    return index < 0 ? this.#modules.push(module) - 1 : index;
  }

  /** Makes room for so many keys more, and bytes of them. */
  #reserve(keys: number, length: number): void {
    const facts = (this.#count + keys) * factLength;
    if (facts > this.#facts.length) {
      const larger = Buffer.allocUnsafe(Math.max(this.#facts.length * 2, facts));
      this.#facts.copy(larger);
      this.#facts = larger;
    }
    if (this.#length + length <= this.#bytes.length) return;
    this.#bytes = this.#copy(Math.max(this.#bytes.length * 2, this.#length + length));
  }

  /** What it has, in other memory: what it was in is given back. */
  #copy(room: number): Buffer {
    const copy = takeKeyMemory(room);
    copy.set(this.#bytes.subarray(0, this.#length));
    giveKeyMemory(this.#bytes);
    return copy;
  }

  build(): Group {
    const names = Buffer.from(JSON.stringify(this.#modules), "utf8");
    const facts = Buffer.concat([
      lengthBefore(names),
      names,
      this.#facts.subarray(0, this.#count * factLength),
    ]);
    lastLength = this.#length;
    // A group may wait for long: it has not much more memory than it needs.
    const isRoomy = this.#length < keyMemoryRoom(this.#bytes) / 2;
    const plain = isRoomy ? this.#copy(this.#length) : this.#bytes.subarray(0, this.#length);
    spare = this.#facts;
    return new Group(this.number, facts, plain, this.#length);
  }
}

function lengthBefore(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return length;
}

/** A group that is durable, or about to be. */
export class Group {
  readonly number: number;
  readonly facts: Buffer;
  /** Whole bytes of its keys, one after the other; undefined while they are on the disk alone. */
  #plain: Buffer | undefined;
  /** Bytes of key. */
  readonly length: number;
  readonly #factsAt: number;
  readonly count: number;
  /** One bit a key: it has left the buffer. See {@link bitsFor}. */
  readonly consumed: Uint8Array;
  live: number;
  segment = 0;
  /** Where it begins in its segment. */
  offset = 0;
  readonly #starts: Uint32Array;

  constructor(number: number, facts: Buffer, plain: Buffer | undefined, length: number) {
    this.number = number;
    this.facts = facts;
    this.#plain = plain;
    this.length = length;
    this.#factsAt = 4 + facts.readUInt32BE(0);
    this.count = (facts.length - this.#factsAt) / factLength;
    this.live = this.count;
    this.consumed = bitsFor(this.count);
    this.#starts = new Uint32Array(this.count + 1);
    for (let i = 0; i < this.count; i++) {
      this.#starts[i + 1] = (this.#starts[i] as number) + wholeBytes(this.#bits(i));
    }
  }

  #bits(place: number): number {
    return this.facts.readUInt32BE(this.#fact(place) + 18);
  }

  lengthOf(place: number): number {
    return (this.#starts[place + 1] as number) - (this.#starts[place] as number);
  }

  isLive(place: number): boolean {
    return place < this.count && ((this.consumed[place >> 3] as number) & (1 << (place & 7))) === 0;
  }

  /** Whether all keys `[from, to)` wait. */
  areLive(from: number, to: number): boolean {
    for (let place = from; place < to; place++) if (!this.isLive(place)) return false;
    return true;
  }

  /** Keys `[from, to)` leave the buffer. @returns how many of them were there, and their bytes */
  consume(from: number, to = from + 1): { readonly keys: number; readonly bytes: number } {
    const starts = this.#starts;
    let keys = 0;
    let bytes = 0;
    for (let place = from; place < to; place++) {
      if (!this.isLive(place)) continue;
      this.consumed[place >> 3] = (this.consumed[place >> 3] as number) | (1 << (place & 7));
      keys++;
      bytes += this.lengthOf(place);
    }
    this.live -= keys;
    if (keys > 0) this.#plain?.fill(0, starts[from] as number, starts[to] as number);
    if (this.live === 0) this.evict();
    return { keys, bytes };
  }

  /**
   * Takes over which of its keys are used. @returns false if that is damaged: then all of them are
   * @param bits one a key, as {@link consumed}
   */
  markConsumed(bits: Uint8Array): boolean {
    const isWhole = bits.length === this.consumed.length;
    for (let place = 0; place < this.count; place++) {
      const isUsed = ((bits[place >> 3] ?? 0) & (1 << (place & 7))) !== 0;
      if (isUsed || !isWhole) this.consume(place);
    }
    return isWhole;
  }

  get plain(): Buffer | undefined {
    return this.#plain;
  }

  /** A view of the bytes of keys `[from, to)`; undefined while they are on the disk alone. */
  bytesOf(from: number, to = from + 1): Uint8Array | undefined {
    return this.#plain?.subarray(this.#starts[from] as number, this.#starts[to] as number);
  }

  /** Its bytes are on the disk alone from now on. */
  evict(): void {
    if (this.#plain !== undefined) giveKeyMemory(this.#plain);
    this.#plain = undefined;
  }

  /** Read back from the disk. */
  restore(plain: Buffer): void {
    for (let place = 0; place < this.count; place++) {
      if (this.isLive(place)) continue;
      plain.fill(0, this.#starts[place] as number, this.#starts[place + 1] as number);
    }
    this.#plain = plain;
  }

  /** Keys of it that wait: those of one module that were stored at one time, side by side. */
  *buffered(): Generator<BufferedKeys> {
    const names = JSON.parse(this.facts.toString("utf8", 4, this.#factsAt)) as string[];
    const moduleOf = (place: number) => this.facts.readUInt16BE(this.#fact(place));
    const storedAt = (place: number) => this.facts.readDoubleBE(this.#fact(place) + 38);
    for (let from = 0; from < this.count; ) {
      const module = moduleOf(from);
      const at = storedAt(from);
      const places: number[] = [];
      for (; from < this.count && moduleOf(from) === module && storedAt(from) === at; from++) {
        if (this.isLive(from)) places.push(from);
      }
      if (places.length > 0) yield { module: names[module] ?? "", at, ...this.#columns(places) };
    }
  }

  #columns(places: readonly number[]) {
    const ids = Buffer.alloc(places.length * 16);
    for (const [i, place] of places.entries()) {
      const at = this.#fact(place) + 2;
      this.facts.copy(ids, i * 16, at, at + 16);
    }
    const doubles = (at: number) =>
      Float64Array.from(places, (place) => this.facts.readDoubleBE(this.#fact(place) + at));
    return {
      ids,
      handles: Float64Array.from(places, (place) => handleOf(this.number, place)),
      bits: Uint32Array.from(places, (place) => this.#bits(place)),
      generatedAt: doubles(22),
      qber: doubles(30),
    };
  }

  /** Where what is known of a key begins. */
  #fact(place: number): number {
    return this.#factsAt + place * factLength;
  }
}

/** Puts it down as it stands in a segment. Keys that have left the buffer are zeros in it. */
export function sealGroup(
  { number, facts, plain, length }: Group,
  key: KeyObject,
  to: Scratch,
): void {
  if (plain === undefined) throw new Error("a group is sealed from its bytes");
  const header = Buffer.alloc(groupHeader);
  header.writeUInt32BE(magic, 0);
  header.writeBigUInt64BE(BigInt(number), 4);
  header.writeUInt32BE(facts.length, 12);
  header.writeUInt32BE(length, 16);
  const parts = [facts, plain.subarray(0, length)];
  const at = to.length;
  to.add(header);
  to.set(seal(key, number, parts, header.subarray(0, 20), to), at + 20);
}

/** Its length in a segment, header included. */
export function lengthOf({ facts, length }: Group): number {
  return groupHeader + facts.length + length;
}

/** Length of the group that begins here, header included; undefined if none does. */
export function groupLength(header: Buffer): number | undefined {
  if (header.length < groupHeader || header.readUInt32BE(0) !== magic) return undefined;
  return groupHeader + header.readUInt32BE(12) + header.readUInt32BE(16);
}

/** @param bytes header and all. @returns undefined if it is damaged, or was not written to its end */
export function openGroup(bytes: Buffer, key: KeyObject): Group | undefined {
  const number = Number(bytes.readBigUInt64BE(4));
  const factsLength = bytes.readUInt32BE(12);
  const length = bytes.readUInt32BE(16);
  const sealed = bytes.subarray(groupHeader, groupHeader + factsLength + length);
  const all = keyMemory(sealed.length);
  const tag = bytes.subarray(20, 36);
  if (!open(key, number, sealed, tag, bytes.subarray(0, 20), all)) return undefined;
  const facts = Buffer.from(all.subarray(0, factsLength));
  const plain = takeKeyMemory(length);
  plain.set(all.subarray(factsLength));
  wipeMemory(all);
  return new Group(number, facts, plain, length);
}
