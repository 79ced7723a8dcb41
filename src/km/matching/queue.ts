/** Keys in the order in which they are proposed; those that come back go to the front. Pure. */
import { type Batch, type LinkBuffer, newBatch, partOf } from "./buffer.ts";

const smallest = 256;

export class KeyQueue {
  readonly #buffer: LinkBuffer;
  #all: Batch = newBatch(smallest);
  #lengths = new Uint32Array(smallest);
  #head = 0;
  #end = 0;

  constructor(buffer: LinkBuffer) {
    this.#buffer = buffer;
  }

  get length(): number {
    return this.#end - this.#head;
  }

  /** The slot of the first key that waits; keys before it with which nothing is to be done any more are taken out. */
  first(): number | undefined {
    while (this.#head < this.#end && !this.#buffer.isFree(this.#all, this.#head)) this.#shift();
    return this.#head < this.#end ? this.#all.slots[this.#head] : undefined;
  }

  push(batch: Batch): void {
    const { length } = batch.slots;
    if (this.#end + length > this.#lengths.length) this.#make(0, length);
    this.#write(batch, this.#end);
    this.#end += length;
  }

  /** In front of all others, in their order. */
  unshift(batch: Batch): void {
    const { length } = batch.slots;
    if (this.#head < length) this.#make(length, 0);
    this.#head -= length;
    this.#write(batch, this.#head);
  }

  /** At least one key, if there is any, and at most so many keys and bytes. */
  take(keys: number, bytes: number): Batch {
    const taken = newBatch(Math.min(keys, this.length));
    let count = 0;
    let length = 0;
    while (this.first() !== undefined && count < taken.slots.length) {
      const own = this.#lengths[this.#head] as number;
      if (count > 0 && length + own > bytes) break;
      taken.slots[count] = this.#all.slots[this.#head] as number;
      taken.handles[count++] = this.#all.handles[this.#head] as number;
      length += own;
      this.#shift();
    }
    return partOf(taken, 0, count);
  }

  #shift(): void {
    this.#head++;
    if (this.#head < this.#end) return;
    this.#head = 0;
    this.#end = 0;
    if (this.#lengths.length <= smallest * 64) return;
    this.#all = newBatch(smallest);
    this.#lengths = new Uint32Array(smallest);
  }

  #write({ slots, handles }: Batch, at: number): void {
    for (let i = 0; i < slots.length; i++) {
      const slot = slots[i] as number;
      this.#all.slots[at + i] = slot;
      this.#all.handles[at + i] = handles[i] as number;
      this.#lengths[at + i] = this.#buffer.slots.length(slot);
    }
  }

  /** Makes room for so many more, in memory of half as much again if there was little to gain in what it has. */
  #make(inFront: number, behind: number): void {
    const { length } = this;
    const needed = inFront + length + behind;
    const isRoomy = needed <= this.#lengths.length / 2;
    const size = isRoomy ? this.#lengths.length : Math.max(smallest, needed * 2);
    const all = newBatch(size);
    const lengths = new Uint32Array(size);
    const old = partOf(this.#all, this.#head, this.#end);
    all.slots.set(old.slots, inFront);
    all.handles.set(old.handles, inFront);
    lengths.set(this.#lengths.subarray(this.#head, this.#end), inFront);
    this.#all = all;
    this.#lengths = lengths;
    this.#head = inFront;
    this.#end = inFront + length;
  }
}
