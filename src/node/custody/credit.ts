/**
 * Room for blocks in the node's memory, as the module is told of it: it sends no more than fits. What
 * a block took is given back once the block is gone.
 */

import { assert } from "../../base/assert.ts";
import type { Ledger } from "../keys/ports.ts";
import type { OwnSession } from "./own-session.ts";

export class Credit {
  readonly #session: () => OwnSession | undefined;
  readonly #ledger: Pick<Ledger, "failure">;
  /** Given back once the ledger can be written again. */
  #owed = { blocks: 0, bytes: 0 };
  #stopped = false;

  constructor(session: () => OwnSession | undefined, ledger: Pick<Ledger, "failure">) {
    this.#session = session;
    this.#ledger = ledger;
  }

  /** A session begins with so much room, and with what comes back from then on. */
  begin(blocks: number, bytes: number): void {
    this.#owed = { blocks: 0, bytes: 0 };
    if (!this.#stopped) this.#session()?.grant(Math.max(0, blocks), Math.max(0, bytes));
  }

  /** So many blocks are gone. */
  back(blocks: number, bytes: number): void {
    assert(blocks >= 0 && bytes >= 0, "room that is given back is never less than none");
    if (this.#stopped) return;
    if (this.#ledger.failure === undefined) this.#session()?.grant(blocks, bytes);
    // What is recorded waits in memory meanwhile: no more may come than there is room for.
    else this.#owed = { blocks: this.#owed.blocks + blocks, bytes: this.#owed.bytes + bytes };
  }

  /** The ledger can be written again. */
  resume(): void {
    const { blocks, bytes } = this.#owed;
    this.#owed = { blocks: 0, bytes: 0 };
    if (blocks > 0) this.back(blocks, bytes);
  }

  /** Nothing more is to come. */
  stop(): void {
    this.#stopped = true;
  }
}
