/**
 * Whether another client has this node's identifier at the broker. MQTT 5 brokers say so; older ones
 * just end the older connection of the same ID, again and again. Pure.
 */
import { wasClosed, wasTakenOver } from "./session.ts";

/** Connections in a row that worked and were ended without a word, soon after they were made. */
const inARow = 3;
/** An orderly broker lets a connection live for longer, ms. */
const shortMs = 120_000;

/** How a connection to the broker ended. */
export interface EndedSession {
  readonly error: Error | undefined;
  /** The broker acknowledged something over it: credentials and rights were good. */
  readonly worked: boolean;
  readonly livedMs: number;
}

export class Takeovers {
  #short = 0;
  #takenOver = false;

  /** The last connection ended because another client has the same identifier, as far as can be told. */
  get takenOver(): boolean {
    return this.#takenOver;
  }

  ended({ error, worked, livedMs }: EndedSession): void {
    if (error === undefined) return this.failed();
    this.#short = worked && wasClosed(error) && livedMs < shortMs ? this.#short + 1 : 0;
    this.#takenOver = wasTakenOver(error) || this.#short >= inARow;
  }

  /** No connection could be made: the broker itself is not well. */
  failed(): void {
    this.#short = 0;
    this.#takenOver = false;
  }
}
