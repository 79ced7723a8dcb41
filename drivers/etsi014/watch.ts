/** Looks at what a KME answers and how soon, and tells what a person should know. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { LookedAt } from "../../src/base/looked-at.ts";
import type { ModuleEvent } from "../../src/port/module.ts";
import type { Asked, Kme, KmeStatus } from "./kme.ts";

/** Told once when it begins, and once when it ends; what is not so when it is first looked at ends what was told before. */
export class Troubles {
  /** Of the session of now: what began in one may end in another. */
  tell: (event: ModuleEvent) => void = () => {};
  /** Of the session of now. */
  absent: (code: string) => void = () => {};
  readonly #seen = new LookedAt();

  is(code: string, on: boolean, severity: ModuleEvent["severity"], text: () => string): void {
    const change = this.#seen.look(code, on);
    if (change === "begins") this.tell({ code, severity, text: text() });
    else if (change === "ends") this.tell({ code, severity: "cleared", text: "over" });
    else if (change === "absent") this.absent(code);
  }
}

/** How quick the answers of late were, by kind of request: a KME may be quick to say what it has, and slow to give it. */
export type Rows = Map<string, { slow: number; quick: number; isSlow: boolean }>;

export interface WatchOptions {
  readonly clock: Clock;
  readonly troubles: Troubles;
  /** Of the driver: a KME that does not answer ends a session. */
  readonly rows: Rows;
  /** An answer that takes longer is slow, ms. */
  readonly slow: number;
}

/** Slow is told after so many slow answers in a row, and over after so many quick ones. */
const inARow = 3;

/** The same KME, watched. */
export function watched(kme: Kme, { clock, troubles, rows, slow }: WatchOptions): Kme {
  function count(what: string, isSlow: boolean): void {
    const row = rows.get(what) ?? { slow: 0, quick: 0, isSlow: false };
    rows.set(what, row);
    [row.slow, row.quick] = isSlow ? [row.slow + 1, 0] : [0, row.quick + 1];
    if (row.slow >= inARow) row.isSlow = true;
    if (row.quick >= inARow) row.isSlow = false;
    const slowOnes = [...rows].flatMap(([name, one]) => (one.isSlow ? [name] : []));
    const text = () =>
      `the KME takes longer than ${slow} ms for an answer to ${slowOnes.join(", ")}`;
    troubles.is("kme_slow", slowOnes.length > 0, "warning", text);
  }
  async function timed<T extends Asked | KmeStatus | undefined>(
    what: string,
    work: Promise<T>,
  ): Promise<T> {
    const begun = clock.now();
    const answer = await work.catch((error: unknown) => {
      // The last of some without an answer; what is refused was answered.
      if (error instanceof Fault && error.code === "link.closed") count(what, true);
      throw error;
    });
    const isUnanswered = answer !== undefined && "kind" in answer && answer.kind === "unanswered";
    count(what, isUnanswered || clock.now() - begun > slow);
    return answer;
  }
  return {
    status: () => timed("status", kme.status()),
    take: (number) => timed("enc_keys", kme.take(number)),
    fetch: (ids) => timed("dec_keys", kme.fetch(ids)),
  };
}
