/** QKD-keys of one module that came in one turn, in memory of their own outside of the JavaScript heap. */
import { keyMemory, wipeMemory } from "../../port/key.ts";
import type { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { idBytes } from "../keys/masked-ids.ts";
import { type ReceivedKeys, wholeBytes } from "../keys/received.ts";
import type { Line } from "./line.ts";

/** Keys and bytes of one turn; what is more is handed on before. */
const mostKeys = 1_024;
const mostBytes = 262_144;

export class Gathered {
  /** Who waits for an answer, and by which ticket. */
  readonly lines: Line[] = [];
  readonly tickets = new Float64Array(mostKeys);
  /** Bytes of each as it was counted: a part of a byte is one. */
  readonly sizes = new Uint32Array(mostKeys);
  readonly #ids = Buffer.alloc(mostKeys * idBytes);
  readonly #bits = new Uint32Array(mostKeys);
  readonly #generatedAt = new Float64Array(mostKeys);
  readonly #qber = new Float64Array(mostKeys);
  readonly #bytes = keyMemory(mostBytes);
  /** Where each begins. */
  readonly #starts = new Uint32Array(mostKeys + 1);
  #end = 0;

  get size(): number {
    return this.lines.length;
  }

  /** IDs of 16 bytes, one after the other: a view, valid until {@link wipe}. */
  get ids(): Buffer {
    return this.#ids.subarray(0, this.size * idBytes);
  }

  hasRoom(bytes: number): boolean {
    return this.size < mostKeys && this.#end + bytes <= mostBytes;
  }

  /** Takes the key that was read last. */
  add(line: Line, ticket: number, reader: SupplyReader): void {
    const { facts, byteLength, id } = reader;
    if (facts === undefined) return;
    const { bits, generatedAt, qber } = facts;
    const i = this.size;
    const at = i * idBytes;
    for (let k = 0; k < idBytes; k++) this.#ids[at + k] = id[k] as number;
    const from = this.#starts[i] as number;
    reader.take(this.#bytes, from);
    this.#end = Math.max(this.#end, from + byteLength);
    this.#bits[i] = bits;
    this.#generatedAt[i] = generatedAt ?? Number.NaN;
    this.#qber[i] = qber ?? Number.NaN;
    // Bits beyond the last whole byte are not used: the next key is written over them.
    this.#starts[i + 1] = from + wholeBytes(bits);
    this.lines.push(line);
    this.tickets[i] = ticket;
    this.sizes[i] = byteLength;
  }

  /** Views of one key, valid until {@link wipe}. */
  idOf(i: number): Uint8Array {
    return this.#ids.subarray(i * idBytes, (i + 1) * idBytes);
  }

  bytesOf(i: number): Uint8Array {
    return this.#bytes.subarray(this.#starts[i] as number, this.#starts[i + 1] as number);
  }

  /** A key takes the place of one before it, which is not needed any more. All before that stay where they are. */
  move(from: number, to: number): void {
    const start = this.#starts[to] as number;
    const [first, end] = [this.#starts[from] as number, this.#starts[from + 1] as number];
    this.#bytes.copyWithin(start, first, end);
    this.#starts[to + 1] = start + end - first;
    this.#ids.copyWithin(to * idBytes, from * idBytes, (from + 1) * idBytes);
    this.#bits[to] = this.#bits[from] as number;
    this.#generatedAt[to] = this.#generatedAt[from] as number;
    this.#qber[to] = this.#qber[from] as number;
    this.lines[to] = this.lines[from] as Line;
    this.tickets[to] = this.tickets[from] as number;
    this.sizes[to] = this.sizes[from] as number;
  }

  /** The first so many keys: views, valid until {@link wipe}. */
  keys(count: number): ReceivedKeys {
    return {
      count,
      ids: this.#ids.subarray(0, count * idBytes),
      bits: this.#bits.subarray(0, count),
      generatedAt: this.#generatedAt.subarray(0, count),
      qber: this.#qber.subarray(0, count),
      bytes: this.#bytes.subarray(0, this.#starts[count]),
    };
  }

  /** All of it was handed on. */
  wipe(): void {
    this.#bytes.fill(0, 0, this.#end);
    this.#end = 0;
    this.lines.length = 0;
  }

  /** For good. */
  close(): void {
    wipeMemory(this.#bytes);
  }
}
