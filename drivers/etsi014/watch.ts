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
  /** By kind of request: a KME that says quickly what it has may be slow to give it. */
  const rows = new Map<string, { slow: number; quick: number; isSlow: boolean }>();
  async function timed<T extends Asked | KmeStatus | undefined>(
    what: string,
    work: Promise<T>,
  ): Promise<T> {
    const begun = clock.now();
    const answer = await work;
    const isUnanswered = answer !== undefined && "kind" in answer && answer.kind === "unanswered";
    const isSlow = isUnanswered || clock.now() - begun > slow;
    const row = rows.get(what) ?? { slow: 0, quick: 0, isSlow: false };
    rows.set(what, row);
    [row.slow, row.quick] = isSlow ? [row.slow + 1, 0] : [0, row.quick + 1];
    if (row.slow >= inARow) row.isSlow = true;
    if (row.quick >= inARow) row.isSlow = false;
    const slowOnes = [...rows].flatMap(([name, one]) => (one.isSlow ? [name] : []));
    const text = () =>
      `the KME takes longer than ${slow} ms for an answer to ${slowOnes.join(", ")}`;
    troubles.is("kme_slow", slowOnes.length > 0, "warning", text);
    return answer;
  }
  return {
    status: () => timed("status", kme.status()),
    take: (number) => timed("enc_keys", kme.take(number)),
    fetch: (ids) => timed("dec_keys", kme.fetch(ids)),
  };
}
