/** Which bytes the peer has bound to a batch's MAC; of this process alone. Pure. */
import { isMatchUse } from "../matching/match-use.ts";

/** Of batches that are on their way, at most. */
const most = 256;

export class PadsOfBatches {
  /** IDs, by what they are bound to. */
  readonly #ids = new Map<string, string>();

  /** Bytes were bound; to something else than a batch: nothing is noted. */
  bound(request: string | undefined, id: string | undefined): void {
    if (request === undefined || id === undefined || !isMatchUse(request)) return;
    this.#ids.set(request, id);
    // Those of proposals that never came.
    const [first] = this.#ids.keys();
    if (this.#ids.size > most && first !== undefined) this.#ids.delete(first);
  }

  /** The session ended: proposals of the next one are under others. */
  clear(): void {
    this.#ids.clear();
  }

  take(request: string): string | undefined {
    const id = this.#ids.get(request);
    this.#ids.delete(request);
    return id;
  }
}
