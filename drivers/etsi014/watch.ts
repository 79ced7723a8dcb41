/** Looks at what a KME answers and how soon, and tells what a person should know. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import type { ModuleEvent } from "../../src/port/module.ts";
import type { Asked, Kme, KmeStatus } from "./kme.ts";

/** Told once when it begins, and once when it ends. */
export class Troubles {
  /** Of the session of now: what began in one may end in another. */
  tell: (event: ModuleEvent) => void = () => {};
  readonly #on = new Set<string>();

  is(code: string, on: boolean, severity: ModuleEvent["severity"], text: () => string): void {
    if (on === this.#on.has(code)) return;
    if (on) {
      this.#on.add(code);
      this.tell({ code, severity, text: text() });
    } else {
      this.#on.delete(code);
      this.tell({ code, severity: "cleared", text: "over" });
    }
  }
}

export interface WatchOptions {
  readonly clock: Clock;
  readonly troubles: Troubles;
  /** An answer that takes longer is slow, ms. */
  readonly slow: number;
}

/** Slow is told after so many slow answers in a row, and over after so many quick ones. */
const inARow = 3;

/** The same KME, watched. */
export function watched(kme: Kme, { clock, troubles, slow }: WatchOptions): Kme {
  let slowOnes = 0;
  let quickOnes = 0;
  async function timed<T extends Asked | KmeStatus | undefined>(work: Promise<T>): Promise<T> {
    const begun = clock.now();
    const answer = await work;
    const isSlow = clock.now() - begun > slow;
    [slowOnes, quickOnes] = isSlow ? [slowOnes + 1, 0] : [0, quickOnes + 1];
    const text = () => `the KME takes longer than ${slow} ms for an answer`;
    if (slowOnes >= inARow) troubles.is("kme_slow", true, "warning", text);
    if (quickOnes >= inARow) troubles.is("kme_slow", false, "warning", text);
    return answer;
  }
  return {
    status: () => timed(kme.status()),
    take: (number) => timed(kme.take(number)),
    fetch: (ids) => timed(kme.fetch(ids)),
  };
}
