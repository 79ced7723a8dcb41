/**
 * Whether two key managers have one identity: their connections take each other's place again and again. One that lost
 * its line comes back while the old connection is still there, too, but not that often. Pure.
 */

/** So many times, within so long, ms. */
const times = 4;
const withinMs = 300_000;

export class Twins {
  /** Of KMs that are connected: when a connection took the place of one that was there, monotonic, ms. */
  readonly #replaced = new Map<string, readonly number[]>();
  readonly #found = new Set<string>();

  /** A KM has connected. @param now monotonic, ms */
  attached(km: string, now: number): void {
    const before = this.#replaced.get(km);
    if (before === undefined) return void this.#replaced.set(km, []);
    const all = [...before.filter((at) => now - at < withinMs), now];
    const isTwice = all.length >= times;
    if (isTwice) this.#found.add(km);
    this.#replaced.set(km, isTwice ? [] : all);
  }

  /** Its connection is over, and no other took its place. */
  detached(km: string): void {
    this.#replaced.delete(km);
  }

  /** KM IDs that were found since this was asked last. */
  take(): readonly string[] {
    const found = [...this.#found];
    this.#found.clear();
    return found;
  }
}
