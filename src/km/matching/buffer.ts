/** QKD-keys of one link that wait for their match, in the order in which they came. Pure. */
import { IdTable } from "../keys/id-table.ts";
import { IdMask, idWords } from "../keys/masked-ids.ts";
import { type Origin, type Run, sameOrigin } from "../keys/origin.ts";
import { wholeBytes } from "../keys/received.ts";
import type { BufferedKeys } from "../store/buffered.ts";
import type { Handle } from "../store/port.ts";
import { none, Slots } from "./slots.ts";

/** Keys of the buffer, in order: where each is, and what tells it from a later one that is there. */
export interface Batch {
  readonly slots: Int32Array;
  readonly handles: Float64Array;
}

/** A key that waits, to be looked at. */
export interface Waiting {
  /** QKD-key ID, 16 bytes. */
  readonly id: Buffer;
  readonly origin: Origin;
  /** Whether a batch has it. */
  readonly isInBatch: boolean;
}

/** 16 bytes each, and their words. */
function wordsOf(ids: Uint8Array): Uint32Array {
  if (ids.byteOffset % 4 === 0) return new Uint32Array(ids.buffer, ids.byteOffset, ids.length / 4);
  return new Uint32Array(Uint8Array.from(ids).buffer);
}

export class LinkBuffer {
  /** What is known of each key. */
  readonly slots = new Slots();
  #lastOrigin: Origin | undefined;
  /** From masked IDs to slots. */
  readonly #table = new IdTable();
  readonly #mask: IdMask;
  readonly #left: (pair: number, ids: Buffer) => void;
  #bytes = 0;

  /**
   * @param maskKey 16 bytes that are drawn: what a node chooses in an ID says nothing about where it is put
   * @param left is told which keys of a pair of modules have left it: matched, expired or void
   */
  constructor(maskKey: Uint8Array, left: (pair: number, ids: Buffer) => void) {
    this.#mask = new IdMask(maskKey);
    this.#left = left;
  }

  get keys(): number {
    return this.slots.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** When the oldest of its keys came; undefined if there is none. */
  get oldest(): number | undefined {
    const { oldest } = this.slots;
    return oldest === none ? undefined : this.slots.since(oldest);
  }

  /** @param pair of modules, of all of them @returns them; {@link mask} of their IDs finds them again */
  add(keys: BufferedKeys, pair: number, now: number): { batch: Batch; masked: Uint32Array } {
    const { ids, handles, bits } = keys;
    const masked = this.#mask.of(ids);
    const words = wordsOf(ids);
    const slots = new Int32Array(handles.length);
    for (let i = 0; i < handles.length; i++) {
      const handle = handles[i] as Handle;
      const length = wholeBytes(bits[i] as number);
      const slot = this.slots.take(handle, length, this.#originOf(keys, i), pair, now);
      this.slots.setId(slot, words, idWords * i);
      this.#table.set(masked, i, slot);
      this.#bytes += length;
      slots[i] = slot;
    }
    return { batch: { slots, handles }, masked };
  }

  /** Keys that came alike share one. */
  #originOf(keys: BufferedKeys, i: number): Origin {
    const last = this.#lastOrigin;
    const { module, at } = keys;
    const bits = keys.bits[i] as number;
    const generatedAt = keys.generatedAt[i] as number;
    const qber = keys.qber[i] as number;
    const isSame =
      last !== undefined &&
      last.module === module &&
      last.bits === bits &&
      last.at === at &&
      Object.is(last.generatedAt ?? Number.NaN, generatedAt) &&
      Object.is(last.qber ?? Number.NaN, qber);
    if (isSame) return last;
    const origin = {
      module,
      bits,
      at,
      ...(!Number.isNaN(generatedAt) && { generatedAt }),
      ...(!Number.isNaN(qber) && { qber }),
    };
    this.#lastOrigin = origin;
    return origin;
  }

  /** IDs as tables of this room have them. @param ids 16 bytes each */
  mask(ids: Uint8Array): Uint32Array {
    return this.#mask.of(ids);
  }

  /** @param at which of the masked IDs @returns its slot, or `none` */
  find(masked: Uint32Array, at: number): number {
    return this.#table.get(masked, at) ?? none;
  }

  /** @param id 16 bytes */
  get(id: Uint8Array): Waiting | undefined {
    const slot = this.find(this.mask(id), 0);
    return slot === none ? undefined : this.#look(slot);
  }

  /** Whether a key is still here, and in no batch. */
  isFree({ slots, handles }: Batch, i: number): boolean {
    const slot = slots[i] as number;
    return this.slots.has(slot, handles[i] as number) && this.slots.batch(slot) === 0;
  }

  /** All that is in these slots. */
  batchOf(slots: ArrayLike<number>): Batch {
    const batch = newBatch(slots.length);
    for (let i = 0; i < slots.length; i++) {
      batch.slots[i] = slots[i] as number;
      batch.handles[i] = this.slots.handle(slots[i] as number);
    }
    return batch;
  }

  /** @param number of the batch that has them from now on; 0: none */
  setBatch({ slots }: Batch, number: number): void {
    for (let i = 0; i < slots.length; i++) this.slots.setBatch(slots[i] as number, number);
  }

  /** IDs, 16 bytes each. */
  idsOf({ slots }: Batch): Buffer {
    const words = new Uint32Array(slots.length * idWords);
    for (let i = 0; i < slots.length; i++) {
      this.slots.copyId(slots[i] as number, words, i * idWords);
    }
    return Buffer.from(words.buffer);
  }

  lengthsOf({ slots }: Batch): number[] {
    return Array.from(slots, (slot) => this.slots.length(slot));
  }

  /** Bytes of all of them. */
  bytesOf({ slots }: Batch): number {
    let bytes = 0;
    for (let i = 0; i < slots.length; i++) bytes += this.slots.length(slots[i] as number);
    return bytes;
  }

  /** When the first of them came. */
  sinceOf({ slots }: Batch): number {
    let since = Number.POSITIVE_INFINITY;
    for (let i = 0; i < slots.length; i++) {
      since = Math.min(since, this.slots.since(slots[i] as number));
    }
    return since;
  }

  /** Where they came from, in their order. */
  runsOf({ slots }: Batch): Run[] {
    const runs: { count: number; readonly origin: Origin }[] = [];
    let last: { count: number; readonly origin: Origin } | undefined;
    for (let i = 0; i < slots.length; i++) {
      const origin = this.slots.origin(slots[i] as number);
      if (last !== undefined && sameOrigin(last.origin, origin)) last.count++;
      else {
        last = { count: 1, origin };
        runs.push(last);
      }
    }
    return runs;
  }

  /** Takes keys out, and tells of it. All of them are here. @param ids as {@link idsOf} has them */
  remove(batch: Batch, ids = this.idsOf(batch)): void {
    const { slots } = batch;
    if (slots.length === 0) return;
    const pairs = new Set<number>();
    for (let i = 0; i < slots.length; i++) pairs.add(this.slots.pair(slots[i] as number));
    const [first] = pairs;
    if (pairs.size === 1 && first !== undefined) {
      this.take(batch, ids);
      return this.#left(first, ids);
    }
    const byPair = Map.groupBy(slots, (slot) => this.slots.pair(slot));
    const told = Array.from(byPair, ([pair, of]) => [pair, this.idsOf(this.batchOf(of))] as const);
    this.take(batch, ids);
    for (const [pair, of] of told) this.#left(pair, of);
  }

  /** Takes keys out without telling of it. All of them are here. */
  take(batch: Batch, ids = this.idsOf(batch)): void {
    const masked = this.#mask.of(ids);
    for (let i = 0; i < batch.slots.length; i++) {
      const slot = batch.slots[i] as number;
      this.#bytes -= this.slots.length(slot);
      this.#table.delete(masked, i);
      this.slots.giveBack(slot);
    }
  }

  /** Keys that came before `time` and are in no batch, at most `limit`. */
  olderThan(time: number, limit: number): Batch {
    const old: number[] = [];
    const { slots } = this;
    for (let slot = slots.oldest; slot !== none; slot = slots.after(slot)) {
      if (slots.since(slot) >= time || old.length === limit) break;
      if (slots.batch(slot) === 0) old.push(slot);
    }
    return this.batchOf(old);
  }

  /** From the oldest on. Nothing is added or taken out meanwhile. */
  *all(): Generator<Waiting & { readonly slot: number }> {
    for (let slot = this.slots.oldest; slot !== none; slot = this.slots.after(slot)) {
      yield { slot, ...this.#look(slot) };
    }
  }

  #look(slot: number): Waiting {
    const id = new Uint32Array(idWords);
    this.slots.copyId(slot, id, 0);
    return {
      id: Buffer.from(id.buffer),
      origin: this.slots.origin(slot),
      isInBatch: this.slots.batch(slot) !== 0,
    };
  }
}

export function newBatch(length: number): Batch {
  return { slots: new Int32Array(length), handles: new Float64Array(length) };
}

/** A part of a batch: a view. */
export function partOf({ slots, handles }: Batch, from: number, to?: number): Batch {
  return { slots: slots.subarray(from, to), handles: handles.subarray(from, to) };
}
