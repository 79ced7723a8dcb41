/**
 * Remembers the QKD-key IDs that were confirmed to a module's node, which may repeat them until it has
 * noted that. So many of them, the oldest forgotten first; of each 8 bytes of its masked form. That two IDs have
 * those in common (one in 10^13 at a full table) makes a key be taken for a repeat, which is lost then and counted.
 */
import { idWords } from "../keys/masked-ids.ts";

/** IDs that are remembered of a module, unless configured: as many as a node may have unconfirmed. */
export const defaultIds = 2 ** 20;
/** Of each: two words. */
const digestWords = 2;
export const digestBytes = 8;

/** Where what is remembered is made durable. */
export interface IdRecord {
  /** Digests of 8 bytes, in their order; copied before it returns. */
  append(digests: Uint8Array): void;
  /** @param done when all that was appended is durable; never before it returns */
  settled(done: () => void): void;
}

/** What `module`'s intake wants to know of IDs that were there before. */
export class IdMemory {
  readonly #most: number;
  readonly #mask: number;
  /** Digests in the order in which they came, over and over. */
  readonly #digests: Uint32Array;
  /** By digest: where it is in {@link #digests}, and 1 more; 0 for none. */
  readonly #slots: Uint32Array;
  #size = 0;
  #next = 0;
  readonly #record: IdRecord;

  /** @param most IDs; takes 16 bytes for each, at most twice as many for numbers that are no power of 2 */
  constructor(record: IdRecord, most = defaultIds) {
    this.#record = record;
    this.#most = most;
    // Memory that was not written to yet costs nothing.
    this.#digests = new Uint32Array(most * digestWords);
    const slots = 2 ** Math.ceil(Math.log2(most * 2));
    this.#slots = new Uint32Array(slots);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** @param at which of the masked IDs in `words` */
  remembers(words: Uint32Array, at: number): boolean {
    const from = at * idWords;
    return this.#slots[this.#find(words[from] as number, words[from + 1] as number)] !== 0;
  }

  /** Remembers these, from the first on; they are durable when {@link settled} says so. */
  remember(words: Uint32Array): void {
    const digests = new Uint32Array((words.length / idWords) * digestWords);
    let end = 0;
    for (let from = 0; from < words.length; from += idWords) {
      const [a, b] = [words[from] as number, words[from + 1] as number];
      if (!this.#add(a, b)) continue;
      digests[end++] = a;
      digests[end++] = b;
    }
    if (end > 0) this.#record.append(new Uint8Array(digests.buffer, 0, end * 4));
  }

  /** @param done when all that was remembered is durable */
  settled(done: () => void): void {
    this.#record.settled(done);
  }

  /** Takes what a record had, oldest first. @param digests 8 bytes each */
  load(digests: Uint8Array): void {
    const count = Math.floor(digests.length / digestBytes);
    const view = new DataView(digests.buffer, digests.byteOffset, count * digestBytes);
    for (let at = 0; at < count * digestBytes; at += digestBytes) {
      this.#add(view.getUint32(at, true), view.getUint32(at + 4, true));
    }
  }

  /** @returns whether it is new */
  #add(a: number, b: number): boolean {
    if (this.#slots[this.#find(a, b)] !== 0) return false;
    if (this.#size === this.#most) this.#forgetOldest();
    const at = this.#next * digestWords;
    this.#digests[at] = a;
    this.#digests[at + 1] = b;
    this.#slots[this.#find(a, b)] = this.#next + 1;
    this.#next = (this.#next + 1) % this.#most;
    this.#size++;
    return true;
  }

  /** The one that stands where the next is written. */
  #forgetOldest(): void {
    const at = this.#next * digestWords;
    let hole = this.#find(this.#digests[at] as number, this.#digests[at + 1] as number);
    this.#size--;
    // As in a table of IDs: what was put further on because of it moves up.
    for (let slot = hole; ; ) {
      slot = (slot + 1) & this.#mask;
      const kept = this.#slots[slot] as number;
      if (kept === 0) break;
      const home = (this.#digests[(kept - 1) * digestWords] as number) & this.#mask;
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue;
      this.#slots[hole] = kept;
      hole = slot;
    }
    this.#slots[hole] = 0;
  }

  /** The slot of a digest, or the free one where it would be. */
  #find(a: number, b: number): number {
    for (let slot = a & this.#mask; ; slot = (slot + 1) & this.#mask) {
      const kept = this.#slots[slot] as number;
      if (kept === 0) return slot;
      const at = (kept - 1) * digestWords;
      if (this.#digests[at] === a && this.#digests[at + 1] === b) return slot;
    }
  }
}
