/** What a program reads from files anew while it runs: of what cannot be read now, what could be read last. */
import { Fault } from "../../base/errors.ts";

export class LastRead<T> {
  readonly #make: () => T;
  #before: T | undefined;
  #trouble: Fault | undefined;

  /** @param make reads it; throws a Fault if it cannot */
  constructor(make: () => T) {
    this.#make = make;
  }

  /** Why it could not be read the last time. */
  get trouble(): Fault | undefined {
    return this.#trouble;
  }

  /** @throws Fault if there is nothing of before */
  read(): T {
    try {
      this.#before = this.#make();
      this.#trouble = undefined;
      return this.#before;
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#trouble = error;
      if (this.#before === undefined) throw error;
      return this.#before;
    }
  }
}
