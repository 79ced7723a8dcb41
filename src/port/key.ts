/**
 * Key bytes and what may be known about them. Only the drivers, custody and Kq-1 may import this
 * file (checked by `scripts/lint-imports`).
 *
 * A key's bytes are in private memory of their own: never in a JS string, which can't be wiped, and
 * never in the allocator's shared pool. Whatever prints, logs or serializes one of these objects
 * gets its name.
 */
import { inspect } from "node:util";
import { Fault } from "../base/errors.ts";

/**
 * Names a block of key that a module pair distilled: the link's epoch (16 lower-case hex digits)
 * and the block's running number in it. Both ends of a link give one block the same reference.
 */
export interface BlockRef {
  readonly epoch: string;
  readonly number: number;
}

/** `epoch/number`: a block's name in maps, logs and messages. */
export function blockName(ref: BlockRef): string {
  return `${ref.epoch}/${ref.number}`;
}

/**
 * Memory for key, outside of the JavaScript heap and of the allocator's pool: what is on the heap (Node
 * puts buffers of up to 64 bytes there) is copied by the garbage collector, and the copies that it
 * leaves behind can't be wiped. The content is undefined.
 * @param length bytes
 */
export function keyMemory(length: number): Buffer {
  if (length <= 64) return Buffer.from(new ArrayBuffer(length));
  if (length >= large) {
    const known = spare.findIndex(({ byteLength }) => byteLength === length);
    const [memory] = known < 0 ? [] : spare.splice(known, 1);
    if (memory !== undefined) return Buffer.from(memory);
  }
  return Buffer.allocUnsafeSlow(length);
}

/** From so many bytes on memory comes from the kernel, which first fills every page of it with zeros. */
const large = 262_144;
/** No larger piece is kept, bytes: a mebibyte, and what is beside it. */
const largest = 1_060_864;
/** Large pieces that were wiped, for the next that are as large. */
const spare: ArrayBuffer[] = [];
let mostSpare = 0;

/**
 * Keeps up to so many large pieces that were wiped, and gives back those that were kept until now. For a process that has
 * one after the other all day, as relays do: for them memory from the kernel is a tenth of the work.
 */
export function keepSpareMemory(pieces: number): void {
  mostSpare = pieces;
  for (const memory of spare.splice(0)) memory.transfer(0);
}

/** Views of it have no bytes after that. */
function takeBack(memory: ArrayBuffer): void {
  if (mostSpare === 0 || memory.byteLength < large || memory.byteLength > largest) {
    memory.transfer(0);
    return;
  }
  if (spare.length >= mostSpare) spare.shift()?.transfer(0);
  spare.push(memory.transfer());
}

/**
 * Memory of so many bytes is given back when it is wiped: the garbage collector would let many such
 * pieces gather, and then go through the whole heap for them. Views of it have no bytes after that.
 */
const freedAtOnce = 4_096;

/** Overwrites memory that is not used any more. Any number of times. */
export function wipeMemory(bytes: Uint8Array): void {
  // Detached by another who had the same memory, and wiped it.
  if (bytes.length === 0) return;
  bytes.fill(0);
  if (bytes.length >= freedAtOnce && bytes.length === bytes.buffer.byteLength) {
    takeBack(bytes.buffer as ArrayBuffer);
  }
}

/** Gives memory back that holds no key, at once: for the same reason. Views of it have no bytes after that. */
export function freeMemory(bytes: Uint8Array): void {
  if (bytes.length < freedAtOnce || bytes.length !== bytes.buffer.byteLength) return;
  takeBack(bytes.buffer as ArrayBuffer);
}

/** Up to this many bytes a loop is quicker than a call. */
const few = 64;

/** Bytes that can be wiped and that no serializer can reach. */
class Secret {
  /** Undefined once it was wiped. */
  #bytes: Uint8Array | undefined;
  readonly #start: number;
  readonly bits: number;
  readonly byteLength: number;

  /**
   * @param bytes memory of which ceil(bits / 8) from `start` on are this object's own from now on; all
   *   of it where there is no `start`
   */
  constructor(bytes: Uint8Array, bits: number, start?: number) {
    const length = Math.ceil(bits / 8);
    const fits =
      start === undefined ? bytes.length === length : start >= 0 && start + length <= bytes.length;
    if (!Number.isSafeInteger(bits) || bits < 0 || !fits) {
      throw new Fault("key.invalid", "key length in bits does not match its bytes", {
        bits,
        bytes: bytes.length,
      });
    }
    this.#bytes = bytes;
    this.#start = start ?? 0;
    this.bits = bits;
    this.byteLength = length;
  }

  get wiped(): boolean {
    return this.#bytes === undefined;
  }

  /**
   * The bytes themselves, not a copy. The caller must neither keep them nor turn them into a string.
   * @throws Fault `key.invalid` after a wipe
   */
  expose(): Uint8Array {
    const bytes = this.#live();
    const { byteLength } = this;
    return byteLength === bytes.length
      ? bytes
      : bytes.subarray(this.#start, this.#start + byteLength);
  }

  /**
   * Copies the bytes into memory that the caller wipes.
   * @throws Fault `key.invalid` after a wipe
   */
  copyTo(target: Uint8Array, at: number): void {
    const bytes = this.#live();
    const { byteLength } = this;
    if (byteLength > few) return target.set(this.expose(), at);
    const start = this.#start;
    for (let i = 0; i < byteLength; i++) target[at + i] = bytes[start + i] as number;
  }

  /** Overwrites the bytes. Any number of times. */
  wipe(): void {
    const bytes = this.#bytes;
    if (bytes === undefined) return;
    this.#bytes = undefined;
    const { byteLength } = this;
    // The block, which has all of the memory, wipes it and gives it back.
    if (bytes.length < byteLength) return;
    if (byteLength === bytes.length) return wipeMemory(bytes);
    const start = this.#start;
    if (byteLength > few) bytes.fill(0, start, start + byteLength);
    else for (let i = 0; i < byteLength; i++) bytes[start + i] = 0;
  }

  #live(): Uint8Array {
    const bytes = this.#bytes;
    if (bytes === undefined || bytes.length < this.byteLength) {
      throw new Fault("key.invalid", "key was wiped", { bits: this.bits });
    }
    return bytes;
  }
}

/** What a key is known by, wherever its bytes must not go. */
abstract class Named extends Secret {
  protected abstract label(): string;

  override toString(): string {
    return this.label();
  }

  toJSON(): string {
    return this.label();
  }

  [inspect.custom](): string {
    return this.label();
  }
}

/** What a driver tells of a block beside its bytes. */
export interface BlockFacts {
  readonly ref: BlockRef;
  /** Length in bits; 0 for a block that yielded no key. */
  readonly bits: number;
  /** Quantum bit error ratio measured over the block, 0 to 1; absent if the module gave none. */
  readonly qber?: number;
  /** Sifted bits that went into the block, if known. */
  readonly siftedBits?: number;
  /** When the pair of modules finished the block, ms since 1970 UTC; absent if unknown. */
  readonly generatedAt?: number;
  /** A UUID that the module pair itself gave the block; kept as the QKD-key ID. */
  readonly uuid?: string;
}

/** A block of key as the module pair distilled it, before it is cut into QKD-keys. */
export class KeyBlock extends Named {
  readonly facts: BlockFacts;
  /** SHA-256 over the bytes, where the driver had to compute it anyway. */
  readonly sha256: Buffer | undefined;

  constructor(facts: BlockFacts, bytes: Uint8Array, sha256?: Buffer) {
    super(bytes, facts.bits);
    this.facts = facts;
    this.sha256 = sha256;
  }

  get ref(): BlockRef {
    return this.facts.ref;
  }

  protected override label(): string {
    return `[KeyBlock ${blockName(this.ref)} ${this.bits} bit]`;
  }
}

/** A QKD-key (Kq-1 §8.1.1): key bits under their QKD-key ID, a UUID in lower case. */
export class QkdKey extends Named {
  readonly id: string;
  /** The block these bits were cut from. */
  readonly block: BlockFacts;
  /** Where in the memory of its block it begins, bits; 0 where it has memory of its own. */
  readonly offset: number;
  /** SHA-256 over the bytes, where it is known already. */
  readonly sha256: Buffer | undefined;
  /** The delivery queue's own record of this key (`custody/supplies.ts`). */
  holder: object | undefined = undefined;

  /** @param start where the key begins in `bytes`, which it shares with others; else they are all its own */
  constructor(
    id: string,
    block: BlockFacts,
    bytes: Uint8Array,
    bits: number,
    sha256?: Buffer,
    start?: number,
  ) {
    super(bytes, bits, start);
    this.id = id;
    this.block = block;
    this.offset = (start ?? 0) * 8;
    this.sha256 = sha256;
  }

  protected override label(): string {
    return `[QkdKey ${this.id}]`;
  }
}
