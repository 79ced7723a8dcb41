/**
 * What counters that only grow have grown by. A key manager that began anew counts from 0; the first word of a counter
 * that was not known is where counting begins, since what it counted before may be in the books already. Bounded, of
 * one key manager too: where there is no room, that with the most counters loses the one that was told longest ago.
 */
import { hash } from "node:crypto";

/** Counters at a time, and of one key manager. */
export interface CounterLimits {
  readonly all: number;
  readonly km: number;
}

/** Characters of a name that is kept as it is: of a longer one the digest is. */
const longestName = 64;

export class Counters {
  /** By KM ID and name; the one that was told last is the last. */
  readonly #ofKms = new Map<string, Map<string, readonly number[]>>();
  readonly #limits: CounterLimits;
  readonly #onFull: (km: string) => void;
  /** Key managers that lost a counter. */
  readonly #full = new Set<string>();
  #size = 0;

  /** @param onFull once for a KM, until it is forgotten: it tells of more than is followed */
  constructor(limits: CounterLimits, onFull: (km: string) => void) {
    this.#limits = limits;
    this.#onFull = onFull;
  }

  get size(): number {
    return this.#size;
  }

  /** @param name of the KM's counters that come together @returns what they grew by, in their order */
  grown(km: string, name: string, values: readonly number[]): readonly number[] {
    const key = name.length > longestName ? hash("sha256", name, "base64url") : name;
    const mine = this.#ofKms.get(km) ?? new Map<string, readonly number[]>();
    this.#ofKms.set(km, mine);
    const before = mine.get(key);
    if (before === undefined) {
      if (mine.size >= this.#limits.km) this.#drop(km);
      else if (this.#size >= this.#limits.all) this.#drop(this.#largest());
      this.#size++;
    }
    mine.delete(key);
    mine.set(key, values);
    if (before === undefined) return values.map(() => 0);
    const isAnew = values.some((value, i) => value < (before[i] ?? 0));
    return isAnew ? values : values.map((value, i) => value - (before[i] ?? 0));
  }

  /** A KM is none any more. */
  forget(km: string): void {
    this.#size -= this.#ofKms.get(km)?.size ?? 0;
    this.#ofKms.delete(km);
    this.#full.delete(km);
  }

  #largest(): string {
    let [most, size] = ["", -1];
    for (const [km, { size: one }] of this.#ofKms) if (one > size) [most, size] = [km, one];
    return most;
  }

  #drop(km: string): void {
    const mine = this.#ofKms.get(km);
    const [oldest] = mine?.keys() ?? [];
    if (oldest === undefined || mine?.delete(oldest) !== true) return;
    this.#size--;
    if (this.#full.has(km)) return;
    this.#full.add(km);
    this.#onFull(km);
  }
}
