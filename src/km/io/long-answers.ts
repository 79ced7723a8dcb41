/**
 * Long answers with keys. A TLS connection keeps about as much memory as its longest answer had, until it ends: so much an
 * application may have; beyond that an answer is the last of its connection, and who does not read it is cut off.
 */
import type { ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Clock } from "../../base/clock.ts";

/** Of one application on connections that stay, bytes: several of the longest answers. */
const mostKept = 8_388_608;
/** With those that are about to end. Beyond that nothing more is answered. */
const most = 33_554_432;
/** Shorter ones are bounded by the connections that there may be, bytes. */
const short = 16_384;
/** Who has not read a last answer by then is cut off, ms. */
const unreadMs = 30_000;

export class LongAnswers {
  readonly #clock: Pick<Clock, "after">;
  /** Bytes, by application. */
  readonly #of = new Map<string, number>();
  /** The longest of each connection. */
  readonly #on = new WeakMap<Socket, number>();

  constructor(clock: Pick<Clock, "after">) {
    this.#clock = clock;
  }

  /** Whether this application is to read what it has before it gets more. */
  isFull(application: string): boolean {
    return (this.#of.get(application) ?? 0) >= most;
  }

  /** An answer is about to be sent: nothing of it has been. @param application whose connection it is */
  begin(application: string, response: ServerResponse, bytes: number): void {
    const { socket } = response;
    if (bytes < short || socket === null) return;
    const before = this.#on.get(socket) ?? 0;
    if (before === 0) {
      socket.once("close", () => this.#count(application, -(this.#on.get(socket) ?? 0)));
    }
    const longest = Math.max(before, bytes);
    this.#on.set(socket, longest);
    this.#count(application, longest - before);
    if ((this.#of.get(application) ?? 0) <= mostKept) return;
    response.setHeader("connection", "close");
    const late = this.#clock.after(unreadMs, () => socket.destroy());
    socket.once("close", () => late.cancel());
  }

  #count(application: string, by: number): void {
    const bytes = (this.#of.get(application) ?? 0) + by;
    if (bytes === 0) this.#of.delete(application);
    else this.#of.set(application, bytes);
  }
}
