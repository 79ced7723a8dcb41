/** Relayed keys that wait for their match at both ends, with the way that each came by. Pure. */
import type { Attempt } from "./attempts.ts";

/** Keys that are remembered; of older ones the way is not known any more. */
const most = 1_024;
const idBytes = 16;

export class WaitingKeys {
  /** By the ID of the relay in hexadecimal, which is that of its key; the oldest first. */
  readonly #attempts = new Map<string, Attempt>();

  /** The destination says that it has a key. */
  add(relay: string, attempt: Attempt): void {
    const [oldest] = this.#attempts.keys();
    if (this.#attempts.size >= most && oldest !== undefined) this.#attempts.delete(oldest);
    this.#attempts.set(relay, attempt);
  }

  /** Keys wait no longer. @param ids 16 bytes each @returns how those came that are known */
  take(ids: Buffer): Attempt[] {
    const found: Attempt[] = [];
    // Most events of most links are of none.
    for (let at = 0; at < ids.length && this.#attempts.size > 0; at += idBytes) {
      const id = ids.toString("hex", at, at + idBytes);
      const attempt = this.#attempts.get(id);
      if (attempt !== undefined) found.push(attempt);
      this.#attempts.delete(id);
    }
    return found;
  }
}
