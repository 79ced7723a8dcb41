/** Alarm rules in passed-in time: a book whose transitions are written down. */

import { ms } from "../../src/base/duration.ts";
import { AlarmBook, type BookOptions } from "../../src/node/alarms/book.ts";
import type { Transition } from "../../src/ops/alarms/alarm.ts";
import type { Moment } from "../../src/ops/alarms/severity.ts";

export class AlarmBench {
  now = 0;
  readonly book: AlarmBook;
  readonly transitions: Transition[] = [];
  /** `12 qber_high.alice raised critical`: seconds, alarm, change, severity. */
  readonly lines: string[] = [];

  constructor(options: Partial<BookOptions> = {}) {
    this.book = new AlarmBook({
      flap: { count: 5, window: ms(600_000), quiet: ms(300_000) },
      ...options,
      onTransition: (transition) => {
        const { change, record } = transition;
        this.transitions.push(transition);
        const flags = `${record.flapping ? " flapping" : ""}${record.active ? "" : " over"}`;
        this.lines.push(`${this.now / 1_000} ${record.id} ${change} ${record.severity}${flags}`);
      },
    });
  }

  get moment(): Moment {
    return { now: this.now, wall: Date.parse("2026-06-01T00:00:00Z") + this.now };
  }

  /** Moves time on, second by second; `each` is called at every one before the book ticks. */
  run(seconds: number, each: (moment: Moment) => void = () => {}): void {
    for (let i = 0; i < seconds; i++) {
      this.now += 1_000;
      each(this.moment);
      this.book.tick(this.moment);
    }
  }

  /** What was told since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }
}
