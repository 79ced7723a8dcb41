/**
 * Key bytes and what may be known about them. Only the drivers, custody and Kq-1 may import this
 * file (checked by `scripts/lint-imports`).
 *
 * A key's bytes are in private memory of their own: never in a JS string, which can't be wiped, and
 * never in the allocator's shared pool. Whatever prints, logs or serializes one of these objects
 * gets its name.
 */
import { inspect } from "node:util";
import { Fault } from "./errors.ts";

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
  return length > 64 ? Buffer.allocUnsafeSlow(length) : Buffer.from(new ArrayBuffer(length));
}

/**
 * Memory of so many bytes is given back when it is wiped: the garbage collector would let many such
 * pieces gather, and then go through the whole heap for them. Views of it have no bytes after that.
 */
const freedAtOnce = 4_096;

/** Overwrites memory that nobody has a use for any more. Any number of times. */
export function wipeMemory(bytes: Uint8Array): void {
  // Detached by another who had the same memory, and wiped it.
  if (bytes.length === 0) return;
  bytes.fill(0);
  if (bytes.length >= freedAtOnce && bytes.length === bytes.buffer.byteLength) {
    (bytes.buffer as ArrayBuffer).transfer(0);
  }
}

/** Bytes that can be wiped and that no serializer can reach. */
class Secret {
  readonly #bytes: Uint8Array;
  readonly bits: number;
  readonly byteLength: number;
  #wiped = false;

  /** @param bytes memory that this object owns from now on; exactly ceil(bits / 8) long */
  constructor(bytes: Uint8Array, bits: number) {
    if (!Number.isSafeInteger(bits) || bits < 0 || bytes.length !== Math.ceil(bits / 8)) {
      throw new Fault("key.invalid", "key length in bits does not match its bytes", {
        bits,
        bytes: bytes.length,
      });
    }
    this.#bytes = bytes;
    this.bits = bits;
    this.byteLength = bytes.length;
  }

  get wiped(): boolean {
    return this.#wiped;
  }

  /**
   * The bytes themselves, not a copy. The caller must neither keep them nor turn them into a string.
   * @throws Fault `key.invalid` after a wipe
   */
  expose(): Uint8Array {
    if (this.#wiped) throw new Fault("key.invalid", "key was wiped", { bits: this.bits });
    return this.#bytes;
  }

  /** Overwrites the bytes. Any number of times. */
  wipe(): void {
    this.#wiped = true;
    wipeMemory(this.#bytes);
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
  /** SHA-256 over the bytes, where it is known already. */
  readonly sha256: Buffer | undefined;

  constructor(id: string, block: BlockFacts, bytes: Uint8Array, bits: number, sha256?: Buffer) {
    super(bytes, bits);
    this.id = id;
    this.block = block;
    this.sha256 = sha256;
  }

  protected override label(): string {
    return `[QkdKey ${this.id}]`;
  }
}
