/** Keys in the order in which they are proposed; those that come back go to the front. Pure. */
import type { Waiting } from "./buffer.ts";

/** Taken from the front of the array only when so many have gone: each cut moves the rest. */
const slack = 1_024;

export class KeyQueue {
  #keys: Waiting[] = [];
  #head = 0;
  #bytes = 0;

  get length(): number {
    return this.#keys.length - this.#head;
  }

  /** Bytes of all keys in it, also of those that {@link clean} would take out. */
  get bytes(): number {
    return this.#bytes;
  }

  first(): Waiting | undefined {
    return this.#keys[this.#head];
  }

  push(key: Waiting): void {
    this.#keys.push(key);
    this.#bytes += key.length;
  }

  unshift(key: Waiting): void {
    if (this.#head > 0) this.#keys[--this.#head] = key;
    else this.#keys.unshift(key);
    this.#bytes += key.length;
  }

  /** Takes keys out of the front that nothing is to be done with any more. */
  clean(wanted: (key: Waiting) => boolean): void {
    for (let key = this.first(); key !== undefined && !wanted(key); key = this.first()) {
      this.#shift(key);
    }
  }

  /** At least one key, if there is any, and at most so many keys and bytes. */
  take(keys: number, bytes: number): Waiting[] {
    const taken: Waiting[] = [];
    let length = 0;
    for (let key = this.first(); key !== undefined && taken.length < keys; key = this.first()) {
      if (taken.length > 0 && length + key.length > bytes) break;
      this.#shift(key);
      if (key.batch !== 0) continue;
      taken.push(key);
      length += key.length;
    }
    return taken;
  }

  #shift(key: Waiting): void {
    this.#head++;
    this.#bytes -= key.length;
    if (this.#head < slack || this.#head * 2 < this.#keys.length) return;
    this.#keys = this.#keys.slice(this.#head);
    this.#head = 0;
  }
}
