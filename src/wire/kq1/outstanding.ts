/**
 * Keys that were supplied on one connection and not answered for, by MessageID. An array of slots
 * instead of a map: for a short key the map would cost as much as its message.
 */
import { assert } from "../../base/assert.ts";
import type { QkdKey } from "../../port/key.ts";
import type { Oldest } from "./patience.ts";

export class Outstanding {
  readonly #keys: (QkdKey | undefined)[];
  readonly #ids: Uint32Array;
  /** When each was supplied, ms. */
  readonly #times: Float64Array;
  readonly #mask: number;
  readonly #most: number;
  #size = 0;
  #next = 0;

  /** @param most keys at once */
  constructor(most: number) {
    this.#most = most;
    // Twice as many slots: some are taken by keys that the KM answers late, out of their order.
    const slots = 2 ** Math.ceil(Math.log2(most * 2));
    this.#keys = new Array<QkdKey | undefined>(slots).fill(undefined);
    this.#ids = new Uint32Array(slots);
    this.#times = new Float64Array(slots);
    this.#mask = slots - 1;
  }

  get size(): number {
    return this.#size;
  }

  /** The MessageID of the next key: one that is not outstanding. */
  get nextId(): number {
    while (this.#keys[this.#next & this.#mask] !== undefined) this.#next = (this.#next + 1) >>> 0;
    return this.#next;
  }

  /**
   * The key was supplied at that time under {@link nextId}.
   * @throws Fault `invariant` if there is no room
   */
  add(key: QkdKey, at: number): void {
    const id = this.nextId;
    assert(this.#size < this.#most, "no more keys are outstanding than the window has room for");
    const slot = id & this.#mask;
    this.#keys[slot] = key;
    this.#ids[slot] = id;
    this.#times[slot] = at;
    this.#size++;
    this.#next = (id + 1) >>> 0;
  }

  get(id: number): QkdKey | undefined {
    const slot = id & this.#mask;
    return this.#ids[slot] === id ? this.#keys[slot] : undefined;
  }

  delete(id: number): void {
    if (this.get(id) === undefined) return;
    this.#keys[id & this.#mask] = undefined;
    this.#size--;
  }

  /** The key that was supplied first, by its MessageID; undefined if there is none. Looks at all slots. */
  get oldest(): Oldest | undefined {
    let oldest: number | undefined;
    for (let slot = 0; slot <= this.#mask; slot++) {
      if (this.#keys[slot] === undefined) continue;
      if (oldest === undefined || this.#before(slot, oldest)) oldest = slot;
    }
    if (oldest === undefined) return undefined;
    return { id: this.#ids[oldest], at: this.#times[oldest] as number };
  }

  /** Many are supplied at one time: their MessageIDs, modulo 2³², tell which was first. */
  #before(slot: number, other: number): boolean {
    const age = (one: number) => (this.#next - (this.#ids[one] as number)) >>> 0;
    return age(slot) > age(other);
  }

  clear(): void {
    this.#keys.fill(undefined);
    this.#size = 0;
  }
}
