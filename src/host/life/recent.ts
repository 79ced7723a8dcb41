/** A value that costs something to find, found anew once it is this old. */
import type { Clock } from "../../base/clock.ts";

export class Recent<Value> {
  readonly #clock: Clock;
  readonly #forMs: number;
  readonly #find: () => Value;
  #found: { readonly value: Value; readonly at: number } | undefined;

  constructor(clock: Clock, forMs: number, find: () => Value) {
    this.#clock = clock;
    this.#forMs = forMs;
    this.#find = find;
  }

  get value(): Value {
    const now = this.#clock.now();
    if (this.#found === undefined || now - this.#found.at >= this.#forMs) {
      this.#found = { value: this.#find(), at: now };
    }
    return this.#found.value;
  }
}
