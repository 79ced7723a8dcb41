/**
 * Bounds what a module can cause in the event log: of each kind so many a minute, and how many were
 * left out is told with the next. Counters and alarms have all of them. Pure.
 */
import type { Clock } from "../../base/clock.ts";

const perMinute = 600;
const minute = 60_000;
/** Kinds that are counted apart; what comes beyond that shares one. */
const mostKinds = 64;

interface Kind {
  since: number;
  told: number;
  left: number;
}

export class EventLimit {
  readonly #clock: Pick<Clock, "now">;
  readonly #kinds = new Map<string, Kind>();

  constructor(clock: Pick<Clock, "now">) {
    this.#clock = clock;
  }

  /** @returns how many of this kind were left out before it; undefined: it is left out itself */
  take(name: string): number | undefined {
    const now = this.#clock.now();
    const key = this.#kinds.has(name) || this.#kinds.size < mostKinds ? name : "";
    const kind = this.#kinds.get(key) ?? { since: now, told: 0, left: 0 };
    this.#kinds.set(key, kind);
    if (now - kind.since >= minute) {
      kind.since = now;
      kind.told = 0;
    }
    if (kind.told >= perMinute) {
      kind.left++;
      return undefined;
    }
    kind.told++;
    const { left } = kind;
    kind.left = 0;
    return left;
  }
}
