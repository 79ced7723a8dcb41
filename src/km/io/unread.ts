/** Answers with keys that their applications do not read: each is in memory some times over until it has left. */
import type { ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";

/** Of one application, bytes: several of the longest answers. */
const mostOfOne = 8_388_608;
/** Shorter ones are bounded by the connections that there may be, bytes. */
const short = 16_384;
/** Who has not read an answer by then is cut off, ms. */
const unreadMs = 30_000;

export class Unread {
  readonly #clock: Pick<Clock, "after">;
  /** Bytes, by application. */
  readonly #of = new Map<string, number>();

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /** Whether this application is to read before it gets more. */
  isFull(application: string): boolean {
    return (this.#of.get(application) ?? 0) >= mostOfOne;
  }

  /** An answer is about to be sent. */
  hold(application: string, response: ServerResponse, bytes: number): void {
    if (bytes < short) return;
    const count = (by: number) => {
      const left = (this.#of.get(application) ?? 0) + by;
      if (left === 0) this.#of.delete(application);
      else this.#of.set(application, left);
    };
    count(bytes);
    const { socket } = response;
    const timer = this.#clock.after(unreadMs, () => socket?.destroy());
    response.once("close", () => {
      timer.cancel();
      count(-bytes);
    });
  }
}
