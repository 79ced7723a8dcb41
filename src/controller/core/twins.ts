/**
 * Whether two key managers have one identity: their connections take each other's place again and again. One that lost
 * its line comes back while the old connection is still there, too, but not that often. Pure.
 */
import { Often } from "../../base/often.ts";

/** So many times, within so long, ms. */
const times = 4;
const withinMs = 300_000;

export class Twins {
  /** Of KMs that are connected: how often a connection took the place of one that was there. */
  readonly #replaced = new Map<string, Often>();
  readonly #found = new Set<string>();

  /** A KM has connected. @param now monotonic, ms */
  attached(km: string, now: number): void {
    const before = this.#replaced.get(km);
    if (before === undefined) this.#replaced.set(km, new Often(times, withinMs));
    else if (before.came(now)) this.#found.add(km);
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
