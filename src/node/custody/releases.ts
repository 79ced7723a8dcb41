/** Tells the module which blocks are in other hands, many in one message, until it confirms each. */
import { type BlockRef, blockName } from "../../port/key.ts";
import type { BlockRecord } from "../keys/ports.ts";
import type { OwnSession } from "./own-session.ts";

/** The blocks that a module is told of as its session begins: what is with the KM, and what was given up. */
export function dealtWith(blocks: Iterable<BlockRecord>) {
  const all = [...blocks];
  const refs = (which: (block: BlockRecord) => boolean) =>
    all.filter(which).map((block) => block.ref);
  return {
    complete: refs(({ state }) => state === "complete"),
    discarded: refs(({ state }) => state === "discarded"),
  };
}

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

  /** A block came that is in other hands, or given up. */
  settle(ref: BlockRef, what: "discard" | "release"): void {
    if (what === "release") this.tell([ref]);
    else this.#session()?.discard([ref]);
  }

  wasTold(block: string): boolean {
    return this.#told.has(block);
  }

  /** @returns whether it was told of that block */
  confirmed(block: string): boolean {
    return this.#told.delete(block);
  }

  /** A new session: what the one before was told does not count. */
  clear(): void {
    this.#told.clear();
  }
}
