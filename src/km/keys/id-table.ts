/**
 * From masked QKD-key IDs to numbers: what is in the buffer. Open addressing in typed arrays, which
 * grow and shrink; in many small parts, so that no step takes long.
 */
import { idWords } from "./masked-ids.ts";

const parts = 64;
const smallest = 16;
/**
 * A part with so many slots does not shrink: keys come and go in waves, hundreds of times a second, and to make a table
 * smaller after each wave and larger in the next is work in the midst of it.
 */
const kept = 256;

/** One part: keys side by side, and NaN where there is none. */
class Part {
  size = 0;
  #keys = new Uint32Array(smallest * idWords);
  #values = new Float64Array(smallest).fill(Number.NaN);
  #mask = smallest - 1;

  get bytes(): number {
    return this.#keys.byteLength + this.#values.byteLength;
  }

  get(words: Uint32Array, at: number): number {
    return this.#values[this.#find(words, at)] as number;
  }

  set(words: Uint32Array, at: number, value: number): void {
    let slot = this.#find(words, at);
    if (Number.isNaN(this.#values[slot])) {
      // Three quarters full: from there on searches become long.
      if ((this.size + 1) * 4 > (this.#mask + 1) * 3) {
        this.#resize((this.#mask + 1) * 2);
        slot = this.#find(words, at);
      }
      this.size++;
      for (let i = 0; i < idWords; i++)
        this.#keys[slot * idWords + i] = words[at * idWords + i] as number;
    }
    this.#values[slot] = value;
  }

  delete(words: Uint32Array, at: number): void {
    let hole = this.#find(words, at);
    if (Number.isNaN(this.#values[hole])) return;
    this.size--;
    // What was put further on because of it moves up, so that no search ends too early.
    for (let slot = hole; ; ) {
      slot = (slot + 1) & this.#mask;
      if (Number.isNaN(this.#values[slot])) break;
      const home = this.#home(this.#keys, slot);
      if (((slot - home) & this.#mask) < ((slot - hole) & this.#mask)) continue;
      this.#keys.copyWithin(hole * idWords, slot * idWords, (slot + 1) * idWords);
      this.#values[hole] = this.#values[slot] as number;
      hole = slot;
    }
    this.#values[hole] = Number.NaN;
    if (this.#mask + 1 > kept && this.size * 8 < this.#mask + 1) this.#resize((this.#mask + 1) / 2);
  }

  #home(words: Uint32Array, at: number): number {
    return (words[at * idWords] as number) & this.#mask;
  }

  /** The slot that has it, or where it would be put. */
  #find(words: Uint32Array, at: number): number {
    const keys = this.#keys;
    const values = this.#values;
    const from = at * idWords;
    for (let slot = this.#home(words, at); ; slot = (slot + 1) & this.#mask) {
      const key = slot * idWords;
      if (Number.isNaN(values[slot])) return slot;
      if (
        keys[key] === words[from] &&
        keys[key + 1] === words[from + 1] &&
        keys[key + 2] === words[from + 2] &&
        keys[key + 3] === words[from + 3]
      ) {
        return slot;
      }
    }
  }

  #resize(slots: number): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = new Uint32Array(slots * idWords);
    this.#values = new Float64Array(slots).fill(Number.NaN);
    this.#mask = slots - 1;
    for (let old = 0; old < values.length; old++) {
      if (Number.isNaN(values[old])) continue;
      const slot = this.#find(keys, old);
      for (let i = 0; i < idWords; i++)
        this.#keys[slot * idWords + i] = keys[old * idWords + i] as number;
      this.#values[slot] = values[old] as number;
    }
  }
}

export class IdTable {
  readonly #parts = Array.from({ length: parts }, () => new Part());
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory. */
  get bytes(): number {
    return this.#parts.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** @param at which of the masked IDs in `words` @returns undefined if it is not there */
  get(words: Uint32Array, at: number): number | undefined {
    const value = this.#part(words, at).get(words, at);
    return Number.isNaN(value) ? undefined : value;
  }

  /** @param value any number but NaN */
  set(words: Uint32Array, at: number, value: number): void {
    const part = this.#part(words, at);
    const before = part.size;
    part.set(words, at, value);
    this.#size += part.size - before;
  }

  delete(words: Uint32Array, at: number): void {
    const part = this.#part(words, at);
    const before = part.size;
    part.delete(words, at);
    this.#size += part.size - before;
  }

  #part(words: Uint32Array, at: number): Part {
    return this.#parts[(words[at * idWords + 1] as number) & (parts - 1)] as Part;
  }
}
