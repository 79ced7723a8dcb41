/**
 * Bounds the part of the processor's time that clients can have for what they ask: keys come first. Who has
 * had more than that waits until it is made up for. Pure.
 */
import type { Clock } from "../port/clock.ts";

export interface EffortLimit {
  /** Time at once, ms. */
  readonly burstMs: number;
  /** Part of the time in the long run. */
  readonly share: number;
}

/** Who is counted apart. */
const mostClients = 1_024;

interface Spent {
  ms: number;
  at: number;
}

export class Effort {
  readonly #limit: EffortLimit;
  readonly #clock: Pick<Clock, "now">;
  readonly #spent = new Map<string, Spent>();

  constructor(limit: EffortLimit, clock: Pick<Clock, "now">) {
    this.#limit = limit;
    this.#clock = clock;
  }

  /** Does something for this client. @returns what it returns */
  measure<T>(client: string, act: () => T): T {
    const begun = this.#clock.now();
    try {
      return act();
    } finally {
      this.charge(client, this.#clock.now() - begun);
    }
  }

  /** Something was done for this client. */
  charge(client: string, ms: number): void {
    this.#of(client).ms += ms;
  }

  /** How long a request of this client is to wait, ms; 0: not at all. */
  wait(client: string): number {
    const { burstMs, share } = this.#limit;
    const { ms } = this.#of(client);
    return ms <= burstMs ? 0 : (ms - burstMs) / share;
  }

  #of(client: string): Spent {
    const now = this.#clock.now();
    const known = this.#spent.get(client);
    if (known !== undefined) return this.#left(known, now);
    if (this.#spent.size >= mostClients) this.#sweep(now);
    const key = this.#spent.size < mostClients ? client : "";
    const spent = this.#spent.get(key) ?? { ms: 0, at: now };
    this.#spent.set(key, spent);
    return this.#left(spent, now);
  }

  #left(spent: Spent, now: number): Spent {
    spent.ms = Math.max(0, spent.ms - (now - spent.at) * this.#limit.share);
    spent.at = now;
    return spent;
  }

  #sweep(now: number): void {
    for (const [name, spent] of this.#spent) {
      if (this.#left(spent, now).ms === 0) this.#spent.delete(name);
    }
  }
}
