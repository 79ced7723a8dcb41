/** Time that a test moves: days in milliseconds, and no test that depends on the machine's speed. */
import type { Clock, Timer } from "../src/base/clock.ts";

interface Pending {
  readonly at: number;
  readonly order: number;
  readonly fn: () => void;
}

export class ManualClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #pending = new Set<Pending>();
  /** Wall clock minus monotonic clock, ms; a test may let it jump. */
  offset = Date.parse("2026-01-31T12:00:00Z");

  /** One that begins at the machine's time, by which certificates of a test are good. */
  static ofToday(): ManualClock {
    const clock = new ManualClock();
    clock.offset = Date.now();
    return clock;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.offset;
  }

  after(ms: number, fn: () => void): Timer {
    const entry = { at: this.#now + ms, order: this.#order++, fn };
    this.#pending.add(entry);
    return { cancel: () => this.#pending.delete(entry) };
  }

  /** Timers that wait. */
  get timers(): number {
    return this.#pending.size;
  }

  /** Moves time on, firing what falls due in order, with promises settled in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const due = [...this.#pending]
        .filter((entry) => entry.at <= end)
        .sort((a, b) => a.at - b.at || a.order - b.order)[0];
      if (due === undefined) break;
      this.#pending.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.fn();
      await settle();
    }
    this.#now = end;
  }
}

/** @param step moves time on, until this is settled */
export async function stepUntil<T>(settled: Promise<T>, step: () => Promise<void>): Promise<T> {
  let isOver = false;
  const over = () => {
    isOver = true;
  };
  settled.then(over, over);
  while (!isOver) await step();
  return settled;
}

/** Lets everything run that is ready to run. */
export function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
