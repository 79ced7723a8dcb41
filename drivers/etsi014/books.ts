/** What became of the keys of all sessions, counted; and whether too many are lost. Pure. */
import type { Clock } from "../../src/base/clock.ts";

export interface Counts {
  /** Keys that the KME handed over. */
  readonly taken: number;
  /** Keys that both ends have. */
  readonly both: number;
  /** Keys that one end alone had: destroyed. */
  readonly lost: number;
  /** Keys that were asked for in requests without an answer: the KME may have handed them over. */
  readonly unanswered: number;
  /** Keys that the KME handed over and could not be used: a length or a key_ID that no key may have. */
  readonly refused: number;
}

/** Over so long it is judged whether too many are lost, ms. */
const span = 600_000;
/** Fewer lost keys are no alarm, whatever part of all they are. */
const few = 16;

export class Books {
  readonly counts: { -readonly [name in keyof Counts]: number } = {
    taken: 0,
    both: 0,
    lost: 0,
    unanswered: 0,
    refused: 0,
  };
  readonly #clock: Clock;
  readonly #limit: number;
  #since: number;
  #before = { lost: 0, all: 0 };
  #now = { lost: 0, all: 0 };

  /** @param limit part of the keys that may be lost, 0 to 1 */
  constructor(clock: Clock, limit: number) {
    this.#clock = clock;
    this.#limit = limit;
    this.#since = clock.now();
  }

  count(name: keyof Counts, keys: number): void {
    this.#turn();
    this.counts[name] += keys;
    if (name === "both") this.#now.all += keys;
    if (name === "lost" || name === "unanswered" || name === "refused") {
      this.#now.all += keys;
      this.#now.lost += keys;
    }
  }

  /** What was counted since then. */
  since(before: Counts): Counts {
    const { taken, both, lost, unanswered, refused } = this.counts;
    return {
      taken: taken - before.taken,
      both: both - before.both,
      lost: lost - before.lost,
      unanswered: unanswered - before.unanswered,
      refused: refused - before.refused,
    };
  }

  /** Of the last ten to twenty minutes. */
  get tooMany(): boolean {
    this.#turn();
    const lost = this.#before.lost + this.#now.lost;
    const all = this.#before.all + this.#now.all;
    return lost >= few && lost > all * this.#limit;
  }

  #turn(): void {
    const passed = this.#clock.now() - this.#since;
    if (passed < span) return;
    this.#before = passed < 2 * span ? this.#now : { lost: 0, all: 0 };
    this.#now = { lost: 0, all: 0 };
    this.#since = this.#clock.now();
  }
}
