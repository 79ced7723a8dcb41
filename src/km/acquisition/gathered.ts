/** QKD-keys of one module that came in one turn, in memory of their own outside of the JavaScript heap. */
import { keyMemory, wipeMemory } from "../../port/key.ts";
import type { SupplyReader } from "../../wire/kq1/supply-reader.ts";
import { idBytes } from "../keys/masked-ids.ts";
import { type ReceivedKey, wholeBytes } from "../keys/received.ts";
import type { Line } from "./line.ts";

/** Keys and bytes of one turn; what is more is handed on before. */
const mostKeys = 1_024;
const mostBytes = 262_144;

export class Gathered {
  readonly lines: Line[] = [];
  readonly tickets: number[] = [];
  readonly #keys: ReceivedKey[] = [];
  readonly #ids = Buffer.alloc(mostKeys * idBytes);
  readonly #bytes = keyMemory(mostBytes);
  #end = 0;

  get size(): number {
    return this.tickets.length;
  }

  /** IDs of 16 bytes, one after the other: a view, valid until {@link wipe}. */
  get ids(): Buffer {
    return this.#ids.subarray(0, this.size * idBytes);
  }

  /** The keys: views, valid until {@link wipe}. */
  get keys(): readonly ReceivedKey[] {
    return this.#keys;
  }

  hasRoom(bytes: number): boolean {
    return this.size < mostKeys && this.#end + bytes <= mostBytes;
  }

  /** Takes the key that was read last. */
  add(line: Line, ticket: number, reader: SupplyReader): void {
    const { facts, byteLength, id } = reader;
    if (facts === undefined) return;
    const { bits, generatedAt, qber } = facts;
    const at = this.size * idBytes;
    this.#ids.set(id, at);
    reader.take(this.#bytes, this.#end);
    this.#keys.push({
      id: this.#ids.subarray(at, at + idBytes),
      bits,
      ...(generatedAt !== undefined && { generatedAt }),
      ...(qber !== undefined && { qber }),
      bytes: this.#bytes.subarray(this.#end, this.#end + wholeBytes(bits)),
    });
    this.#end += byteLength;
    this.lines.push(line);
    this.tickets.push(ticket);
  }

  /** All of it was handed on. */
  wipe(): void {
    this.#bytes.fill(0, 0, this.#end);
    this.#end = 0;
    this.#keys.length = 0;
    this.lines.length = 0;
    this.tickets.length = 0;
  }

  /** For good. */
  close(): void {
    wipeMemory(this.#bytes);
  }
}
