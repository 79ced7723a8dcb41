/**
 * Slows down who asks for much that is of no use: what is refused, a status, a repeat. Whose allowance of
 * such answers is used up has each further request wait; since a connection has one request at a time, so
 * does its client. Pure.
 */
import type { ServerResponse } from "node:http";
import { type Allowance, Buckets } from "../../base/bucket.ts";
import { type Clock, delay } from "../../base/clock.ts";
import { isGone } from "./turns.ts";

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

  /** The same for an HTTP request: false, in time, if the client is gone by then. Nothing of it is to be done any more. */
  passes(client: string, response: ServerResponse): true | Promise<boolean> {
    const held = this.hold(client);
    return held === undefined || held.then(() => !isGone(response));
  }
}
