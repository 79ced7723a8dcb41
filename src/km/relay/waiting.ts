/** Relayed keys that wait for their match at both ends, with the way that each came by. Pure. */
import type { Via } from "./ways.ts";

/** Keys that are remembered; of older ones the way is not known any more. */
const most = 1_024;
const idBytes = 16;

export class WaitingKeys {
  /** By the ID of the relay in hexadecimal, which is that of its key; the oldest first. */
  readonly #ways = new Map<string, Via>();

  /** The destination says that it has a key. */
  add(relay: string, via: Via): void {
    const [oldest] = this.#ways.keys();
    if (this.#ways.size >= most && oldest !== undefined) this.#ways.delete(oldest);
    this.#ways.set(relay, via);
  }

  /** Keys wait no longer. @param ids 16 bytes each @returns the ways of those that are known */
  take(ids: Buffer): Via[] {
    const found: Via[] = [];
    // Most events of most links are of none.
    for (let at = 0; at < ids.length && this.#ways.size > 0; at += idBytes) {
      const id = ids.toString("hex", at, at + idBytes);
      const via = this.#ways.get(id);
      if (via !== undefined) found.push(via);
      this.#ways.delete(id);
    }
    return found;
  }
}
