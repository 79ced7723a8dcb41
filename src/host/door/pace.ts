/**
 * Slows down who asks for much that is of no use: what is refused, a status, a repeat. Whose allowance of
 * such answers is used up has each further request wait; since a connection has one request at a time, so
 * does its client. Pure.
 */
import { type Allowance, Buckets } from "../../base/bucket.ts";
import { type Clock, delay } from "../../base/clock.ts";

/** Who has an allowance of their own. */
const mostClients = 1_024;
/** Beyond it a request waits so long, ms. */
export const paceMs = 1_000;

export class Pace {
  readonly #buckets: Buckets;
  readonly #clock: Clock;

  constructor(allowance: Allowance, clock: Clock) {
    this.#buckets = new Buckets(allowance, mostClients);
    this.#clock = clock;
  }

  /** A request of this client was of no use. */
  charge(client: string): void {
    this.#buckets.take(client, this.#clock.now());
  }

  /** Resolves when a request of this client may be looked at; undefined: now. */
  hold(client: string): Promise<void> | undefined {
    if (this.#buckets.has(client, this.#clock.now())) return undefined;
    return delay(this.#clock, paceMs);
  }
}
