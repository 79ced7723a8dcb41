/**
 * Bounds the part of the processor's time that clients can have for what they ask: keys come first. Who has
 * had more than that waits until it is made up for; when all together have had too much, so does each that
 * is not content with little. Pure.
 */
import type { Clock } from "../../base/clock.ts";

export interface EffortLimit {
  /** Time of one client at once, ms. */
  readonly burstMs: number;
  /** Part of the time that one has in the long run. */
  readonly share: number;
  /** The same for all together; default: only each by itself is bounded. */
  readonly all?: { readonly burstMs: number; readonly share: number };
}

/** Who is counted apart. */
const mostClients = 1_024;
/** Who is idle is looked for no more often than this, ms. */
const sweepMs = 1_000;
/** A client that has had no more than this does not wait for what others had, ms. */
const littleMs = 20;

interface Spent {
  ms: number;
  at: number;
}

export class Effort {
  readonly #limit: EffortLimit;
  readonly #clock: Pick<Clock, "now">;
  readonly #processor: () => number;
  readonly #spent = new Map<string, Spent>();
  readonly #all: Spent;
  #sweptAt = Number.NEGATIVE_INFINITY;

  /** @param processor what was spent of a processor so far, ms: others may have it while time goes by */
  constructor(limit: EffortLimit, clock: Pick<Clock, "now">, processor: () => number) {
    this.#limit = limit;
    this.#clock = clock;
    this.#processor = processor;
    this.#all = { ms: 0, at: clock.now() };
  }

  /** Does something for this client. @returns what it returns */
  measure<T>(client: string, act: () => T): T {
    const begun = this.#processor();
    try {
      return act();
    } finally {
      this.charge(client, this.#processor() - begun);
    }
  }

  /** Something was done for this client. */
  charge(client: string, ms: number): void {
    this.#of(client).ms += ms;
    this.#allNow().ms += ms;
  }

  /** How long a request of this client is to wait, ms; 0: not at all. */
  wait(client: string): number {
    const { burstMs, share, all } = this.#limit;
    const { ms } = this.#of(client);
    const own = ms <= burstMs ? 0 : (ms - burstMs) / share;
    if (all === undefined || ms <= littleMs) return own;
    const together = this.#allNow().ms;
    return Math.max(own, together <= all.burstMs ? 0 : (together - all.burstMs) / all.share);
  }

  #of(client: string): Spent {
    const now = this.#clock.now();
    this.#sweep(now);
    const known = this.#spent.get(client);
    if (known !== undefined) return this.#left(known, now);
    const key = this.#spent.size < mostClients ? client : "";
    const spent = this.#spent.get(key) ?? { ms: 0, at: now };
    this.#spent.set(key, spent);
    return this.#left(spent, now);
  }

  #allNow(): Spent {
    return makeUp(this.#all, this.#clock.now(), this.#limit.all?.share ?? 1);
  }

  /** Many that each have a little have much together: each makes up for it the more slowly. */
  #left(spent: Spent, now: number): Spent {
    const { share, all } = this.#limit;
    const part = all === undefined ? share : Math.min(share, all.share / this.#spent.size);
    return makeUp(spent, now, part);
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < sweepMs) return;
    this.#sweptAt = now;
    for (const [name, spent] of this.#spent) {
      if (this.#left(spent, now).ms === 0) this.#spent.delete(name);
    }
  }
}

function makeUp(spent: Spent, now: number, share: number): Spent {
  spent.ms = Math.max(0, spent.ms - (now - spent.at) * share);
  spent.at = now;
  return spent;
}
