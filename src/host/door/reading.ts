/**
 * When a stream is read from: not while too much waits for its other end, which has to take some of that in time, and
 * not while more came of it than may.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { ReadingPace } from "./reading-pace.ts";

export interface ReadingLimits {
  /** While more bytes than this wait for the other end it is not read from. */
  readonly waiting: number;
  /** Some of what waits is taken within this, ms. */
  readonly stalledMs: number;
  /** How fast all that is the client's is read; default: as fast as it comes. */
  readonly pace?: ReadingPace | undefined;
}

export class Reading {
  readonly #stream: { pause(): unknown; resume(): unknown };
  readonly #limits: ReadingLimits;
  readonly #clock: Clock;
  readonly #onStalled: () => void;
  #waiting = 0;
  /** While too much waits: the end of the time in which some of it is to be taken. */
  #watch: Timer | undefined;
  /** While more came than may. */
  #rest: Timer | undefined;
  #isOver = false;

  /** @param onStalled nothing of what waits was taken in time */
  constructor(
    stream: { pause(): unknown; resume(): unknown },
    limits: ReadingLimits,
    clock: Clock,
    onStalled: () => void,
  ) {
    this.#stream = stream;
    this.#limits = limits;
    this.#clock = clock;
    this.#onStalled = onStalled;
  }

  /** Bytes that wait for the other end. */
  get waiting(): number {
    return this.#waiting;
  }

  /** So many bytes were read. */
  came(bytes: number): void {
    const ms = this.#limits.pace?.take(bytes) ?? 0;
    if (ms <= 0 || this.#isOver) return;
    this.#stream.pause();
    this.#rest?.cancel();
    this.#rest = this.#clock.after(ms, () => {
      this.#rest = undefined;
      this.#readOn();
    });
  }

  /** So many bytes are written, and wait until {@link taken}. */
  writes(bytes: number): void {
    this.#waiting += bytes;
    if (this.#waiting <= this.#limits.waiting || this.#watch !== undefined) return;
    this.#stream.pause();
    this.#watchWaiting();
  }

  /** So many bytes of those were taken. */
  taken(bytes: number): void {
    this.#waiting -= bytes;
    if (this.#watch === undefined || this.#isOver) return;
    this.#watch.cancel();
    this.#watch = undefined;
    if (this.#waiting > this.#limits.waiting / 2) this.#watchWaiting();
    else this.#readOn();
  }

  /** Its owner is done with the stream: nothing is waited for. */
  end(): void {
    this.#isOver = true;
    this.#watch?.cancel();
    this.#rest?.cancel();
  }

  #readOn(): void {
    if (this.#watch === undefined && this.#rest === undefined) this.#stream.resume();
  }

  #watchWaiting(): void {
    this.#watch = this.#clock.after(this.#limits.stalledMs, this.#onStalled);
  }
}
