/** A figure averaged over time: what is older counts exponentially less. Routes are computed from these, never from single reports. */
export class Average {
  readonly #overMs: number;
  #value: number | undefined;
  #begun = 0;
  #at = 0;

  /** @param overMs after so long a step shows to 63 %; until then, over the time since the first figure */
  constructor(overMs: number) {
    this.#overMs = overMs;
  }

  /** undefined: nothing was told yet. */
  get value(): number | undefined {
    return this.#value;
  }

  /** @param now monotonic, ms */
  add(now: number, value: number): void {
    if (this.#value === undefined) [this.#value, this.#begun] = [value, now];
    else if (now > this.#at) {
      // What the first figure was is forgotten as fast as there are others: links begin with nothing in stock.
      const over = Math.min(this.#overMs, now - this.#begun);
      this.#value += (1 - Math.exp((this.#at - now) / over)) * (value - this.#value);
    }
    this.#at = now;
  }

  /** What was before does not count any more. */
  clear(): void {
    this.#value = undefined;
  }
}
