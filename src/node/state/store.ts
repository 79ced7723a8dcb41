/**
 * The node's small state with many writers: changes are made in memory, and written together. One
 * write runs at a time; changes made meanwhile go with the next.
 */
import type { Low } from "lowdb";
import type { NodeState } from "./state.ts";

export class StateStore {
  readonly #low: Low<NodeState>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(low: Low<NodeState>) {
    this.#low = low;
  }

  get data(): Readonly<NodeState> {
    return this.#low.data;
  }

  /**
   * Makes a change.
   * @returns settles when it is on disk
   * @throws Fault `state.io`; the change is in memory then, and goes with the next write
   */
  change(edit: (data: NodeState) => void): Promise<void> {
    edit(this.#low.data);
    if (this.#next !== undefined) return this.#next;
    if (this.#running === undefined) return this.#write();
    this.#next = this.#running
      .catch(() => {})
      .then(() => {
        this.#next = undefined;
        return this.#write();
      });
    return this.#next;
  }

  #write(): Promise<void> {
    const running = this.#low.write().finally(() => {
      if (this.#running === running) this.#running = undefined;
    });
    this.#running = running;
    return running;
  }

  /** Resolves when nothing is being written. Never rejects. */
  async settled(): Promise<void> {
    while (this.#running !== undefined) await this.#running.catch(() => {});
  }
}
