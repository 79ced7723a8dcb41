/**
 * How much a KM may ask for at once on one TCP connection, and when it is not read from: while it leaves
 * answers unread, and for the rest of a second in which too much of what it asked was refused. Pure.
 */
import type { Clock, Timer } from "../../base/clock.ts";

/** Requests that wait for their answer; one more is told to wait. */
const mostRequests = 256;
/** Bytes of answers that are being made or wait for the KM; a request beyond that is told to wait. */
const mostUnderWay = 4_194_304;
/** While a KM leaves more than this unread it is not read from, bytes. */
const mostUnread = 1_048_576;
/** Refusals within a second; after that the KM is not read from until the second is over. */
const mostRefusals = 1_024;
const second = 1_000;
/** A KM that is not read from because it reads nothing takes some of it in this time, ms. */
export const unreadTimeout = 10_000;

export interface FlowParts {
  readonly clock: Clock;
  readonly pause: () => void;
  readonly resume: () => void;
  /** The KM reads nothing of what waits for it. */
  readonly stalled: () => void;
}

export class RequestFlow {
  readonly #parts: FlowParts;
  #requests = 0;
  /** Bytes of answers that are being made. */
  #reserved = 0;
  /** Bytes of answers that the socket has not taken. */
  #unread = 0;
  #refusals = 0;
  #since = 0;
  #held: "unread" | "refusals" | undefined;
  #timer: Timer | undefined;

  constructor(parts: FlowParts) {
    this.#parts = parts;
  }

  /** Whether the KM is not read from now. */
  get isHeld(): boolean {
    return this.#held !== undefined;
  }

  /**
   * A request is to be answered by that many bytes at most.
   * @returns false if it is one too many
   */
  begin(bytes: number): boolean {
    const underWay = this.#reserved + this.#unread + bytes;
    if (this.#requests >= mostRequests || underWay > mostUnderWay) return false;
    this.#requests++;
    this.#reserved += bytes;
    return true;
  }

  /** It is answered now. @param bytes as it began */
  end(bytes: number): void {
    this.#requests--;
    this.#reserved -= bytes;
  }

  /** A request is answered by a refusal. */
  refused(): void {
    const now = this.#parts.clock.now();
    if (now - this.#since >= second) {
      this.#since = now;
      this.#refusals = 0;
    }
    this.#refusals++;
  }

  /** An answer waits for the socket. */
  waits(bytes: number): void {
    this.#unread += bytes;
  }

  /** The socket has taken an answer, or never will. */
  taken(bytes: number): void {
    this.#unread -= bytes;
    if (this.#held !== "unread") return;
    // Not at each answer: a KM that reads slowly would be paused and resumed for each.
    if (this.#unread <= mostUnread / 2) this.#release();
    else this.#watch();
  }

  /** Stops reading if the KM is not to be heard for now. To be called after what came was handled. */
  check(): void {
    if (this.#held !== undefined) return;
    const { clock, pause } = this.#parts;
    const now = clock.now();
    const wait = this.#refusals >= mostRefusals ? this.#since + second - now : 0;
    if (this.#unread > mostUnread) {
      this.#held = "unread";
      this.#watch();
    } else if (wait > 0) {
      this.#held = "refusals";
      this.#timer = clock.after(wait, () => this.#release());
    }
    if (this.#held !== undefined) pause();
  }

  /** Ends its timers; the connection is over. */
  stop(): void {
    this.#timer?.cancel();
    this.#held = undefined;
  }

  #watch(): void {
    this.#timer?.cancel();
    this.#timer = this.#parts.clock.after(unreadTimeout, this.#parts.stalled);
  }

  #release(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#held = undefined;
    this.check();
    if (this.#held === undefined) this.#parts.resume();
  }
}
