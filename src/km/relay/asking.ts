/** One question to a controller at a time: who else wants a way then waits for its answer. Pure. */
import type { PairParts, TellRelay } from "./pair-parts.ts";

export class Asking {
  readonly #ask: PairParts["ask"];
  readonly #inVain: () => void;
  #waiting: (() => void)[] | undefined;

  /** @param inVain no way came of it */
  constructor(ask: PairParts["ask"], inVain: () => void) {
    this.#ask = ask;
    this.#inVain = inVain;
  }

  /** @param length bytes @param then once; undefined: no way came of it, or of the question of another */
  ask(length: number, then: (tell: TellRelay | undefined) => void): void {
    if (this.#ask === undefined) return then(undefined);
    if (this.#waiting !== undefined) return void this.#waiting.push(() => then(undefined));
    const waiting: (() => void)[] = [];
    this.#waiting = waiting;
    this.#ask(length, (tell) => {
      this.#waiting = undefined;
      if (tell === undefined) this.#inVain();
      then(tell);
      for (const one of waiting) one();
    });
  }
}
