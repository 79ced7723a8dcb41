/** What may not run beside each other: one after the other, in the order in which it was asked for. */
export class Alone {
  #last: Promise<unknown> = Promise.resolve();

  /** @returns what it returns, or throws */
  run<T>(body: () => Promise<T>): Promise<T> {
    const result = this.#last.then(body);
    this.#last = result.catch(() => {});
    return result;
  }
}
