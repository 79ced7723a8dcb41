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

/** Of one KM. */
interface Told {
  /** By name; the one that was told last is the last. */
  readonly last: Map<string, readonly number[]>;
  /**
   * Names of it, one iterator for all time: it stands before the one that was told longest ago. A new one would look
   * at the place of each that was dropped or told again since.
   */
  readonly oldest: Iterator<string>;
}

export class Counters {
  /** By KM ID. */
  readonly #ofKms = new Map<string, Told>();
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
    const mine = this.#of(km).last;
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

  #of(km: string): Told {
    const known = this.#ofKms.get(km);
    if (known !== undefined) return known;
    const last: Told["last"] = new Map();
    const told = { last, oldest: last.keys() };
    this.#ofKms.set(km, told);
    return told;
  }

  /** A KM is none any more. */
  forget(km: string): void {
    this.#size -= this.#ofKms.get(km)?.last.size ?? 0;
    this.#ofKms.delete(km);
    this.#full.delete(km);
  }

  #largest(): string {
    let [most, size] = ["", -1];
    for (const [km, { last }] of this.#ofKms) if (last.size > size) [most, size] = [km, last.size];
    return most;
  }

  #drop(km: string): void {
    const mine = this.#ofKms.get(km);
    const oldest = mine?.oldest.next();
    if (oldest?.done !== false || mine?.last.delete(oldest.value) !== true) return;
    this.#size--;
    if (this.#full.has(km)) return;
    this.#full.add(km);
    this.#onFull(km);
  }
}
