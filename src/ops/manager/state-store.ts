/**
 * A program's small state with many writers: changes are made in memory, and written together. One
 * write runs at a time; changes made meanwhile go with the next.
 */

/** The state, and how it gets to disk; lowdb's `Low` is one. */
export interface Written<State> {
  readonly data: State;
  /** @throws Fault `state.io` */
  write(): Promise<void>;
}

export class StateStore<State> {
  readonly #state: Written<State>;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(state: Written<State>) {
    this.#state = state;
  }

  get data(): Readonly<State> {
    return this.#state.data;
  }

  /**
   * Makes a change.
   * @returns settles when it is on disk
   * @throws Fault `state.io`; the change is in memory then, and goes with the next write
   */
  change(edit: (data: State) => void): Promise<void> {
    edit(this.#state.data);
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
    const running = this.#state.write().finally(() => {
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
