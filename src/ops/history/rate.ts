/** How fast a counter grows, over the last seconds. Pure. */

/** Looks back over so many readings. */
const readings = 11;

export class RateMeter {
  readonly #past: { readonly at: number; readonly count: number }[] = [];

  /** @param now monotonic, ms */
  read(count: number, now: number): void {
    this.#past.push({ at: now, count });
    if (this.#past.length > readings) this.#past.shift();
  }

  /** Per second; 0 until there are two readings. */
  get perSecond(): number {
    const first = this.#past[0];
    const last = this.#past.at(-1);
    if (first === undefined || last === undefined || last.at <= first.at) return 0;
    return ((last.count - first.count) * 1_000) / (last.at - first.at);
  }
}
