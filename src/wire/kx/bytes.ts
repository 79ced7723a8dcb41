/** Big-endian bytes, checked: nothing is read beyond a payload, nothing is written beyond a frame. */
import { Fault } from "../../base/errors.ts";

/** Who reads or writes, for what is told of an error. */
class Place {
  /** The message at hand, and its field. */
  message = "";
  field = "";
  at = 0;

  /** @param limit that was passed, if it is one */
  wrong(why: string, limit?: number): Fault {
    const { message, field, at: offset } = this;
    return new Fault("kx.message", `${message} of a KM link: ${why}`, {
      message,
      field,
      ...(limit !== undefined && { limit }),
      offset,
    });
  }
}

const two32 = 0x1_0000_0000;
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class Reader extends Place {
  readonly #bytes: Buffer;

  constructor(bytes: Buffer) {
    super();
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    return this.#bytes.readUInt8(this.#take(1));
  }

  u16(): number {
    return this.#bytes.readUInt16BE(this.#take(2));
  }

  u32(): number {
    return this.#bytes.readUInt32BE(this.#take(4));
  }

  /** May be more than is exact; {@link Number.MAX_SAFE_INTEGER} is for the caller to check. */
  u64(): number {
    const at = this.#take(8);
    return this.#bytes.readUInt32BE(at) * two32 + this.#bytes.readUInt32BE(at + 4);
  }

  /** A copy: the payload is gone when the message is still at hand. */
  bytes(length: number): Buffer {
    const at = this.#take(length);
    return Buffer.from(this.#bytes.subarray(at, at + length));
  }

  /** Passes over what is looked at later. */
  skip(length: number): void {
    this.#take(length);
  }

  /** Bytes that were passed over, as hexadecimal digits. */
  hexAt(at: number, length: number): string {
    return this.#bytes.toString("hex", at, at + length);
  }

  shortAt(at: number): number {
    return this.#bytes.readUInt16BE(at);
  }

  /** Whether the bytes of two places that were passed over are the same. */
  isSame(one: number, other: number, length: number): boolean {
    for (let i = 0; i < length; i++) {
      if (this.#bytes[one + i] !== this.#bytes[other + i]) return false;
    }
    return true;
  }

  text(length: number): string {
    const at = this.#take(length);
    try {
      return utf8.decode(this.#bytes.subarray(at, at + length));
    } catch {
      throw this.wrong("text is not UTF-8");
    }
  }

  #take(length: number): number {
    if (this.left < length) throw this.wrong("ends too early", this.#bytes.length);
    const { at } = this;
    this.at += length;
    return at;
  }
}

export class Writer extends Place {
  readonly #bytes: Buffer;

  /** @param bytes of which no more than all are written */
  constructor(bytes: Buffer) {
    super();
    this.#bytes = bytes;
  }

  u8(value: number): void {
    this.#bytes.writeUInt8(value, this.#take(1));
  }

  u16(value: number): void {
    this.#bytes.writeUInt16BE(value, this.#take(2));
  }

  u32(value: number): void {
    this.#bytes.writeUInt32BE(value, this.#take(4));
  }

  u64(value: number): void {
    const at = this.#take(8);
    this.#bytes.writeUInt32BE(Math.floor(value / two32), at);
    this.#bytes.writeUInt32BE(value % two32, at + 4);
  }

  /** @param value hexadecimal digits of so many bytes */
  hex(value: string, length: number): void {
    const at = this.#take(length);
    const isWhole = value.length === 2 * length && this.#bytes.write(value, at, "hex") === length;
    if (!isWhole) throw this.wrong("has another length", length);
  }

  /** Bytes that were written before, once more. */
  again(at: number, length: number): void {
    const to = this.#take(length);
    this.#bytes.copyWithin(to, at, at + length);
  }

  shortAt(at: number): number {
    return this.#bytes.readUInt16BE(at);
  }

  bytes(value: Uint8Array): void {
    this.#bytes.set(value, this.#take(value.length));
  }

  #take(length: number): number {
    if (this.#bytes.length - this.at < length) {
      throw this.wrong("does not fit a frame", this.#bytes.length);
    }
    const { at } = this;
    this.at += length;
    return at;
  }
}
