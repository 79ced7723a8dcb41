/** Tells the module which blocks are in other hands, many in one message, until it confirms each. */
import { type BlockRef, blockName } from "../port/key.ts";
import type { OwnSession } from "./own-session.ts";

export class Releases {
  readonly #session: () => OwnSession | undefined;
  /** Told, and not confirmed. */
  readonly #told = new Set<string>();
  #batch: BlockRef[] = [];

  constructor(session: () => OwnSession | undefined) {
    this.#session = session;
  }

  /** Tells the module at the end of this turn; without a session nothing is told. */
  tell(refs: readonly BlockRef[]): void {
    if (this.#session() === undefined || refs.length === 0) return;
    for (const ref of refs) this.#told.add(blockName(ref));
    if (this.#batch.length === 0) {
      queueMicrotask(() => {
        const batch = this.#batch;
        this.#batch = [];
        this.#session()?.release(batch);
      });
    }
    this.#batch.push(...refs);
  }

  wasTold(block: string): boolean {
    return this.#told.has(block);
  }

  confirmed(block: string): void {
    this.#told.delete(block);
  }

  /** A new session: what the one before was told does not count. */
  clear(): void {
    this.#told.clear();
  }
}
