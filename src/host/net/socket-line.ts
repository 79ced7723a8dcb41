/**
 * A connection whose owner reads and writes messages: what waits for the other end is bounded, in bytes and in time,
 * and it ends once, with a reason.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import type { ReadingPace } from "../door/reading-pace.ts";

export interface SocketLineOptions {
  /** This line's from now on. */
  readonly socket: Socket;
  readonly clock: Clock;
  /** While more bytes than this wait for the other end it is not read from. */
  readonly mostWaiting: number;
  /** Some of what waits is taken within this, ms. */
  readonly stalledMs: number;
  /** How fast it is read; default: as fast as it comes. */
  readonly pace?: ReadingPace;
  readonly onData: (chunk: Buffer) => void;
  /** Once. @param why `closed` by the other end, `stalled`, or the system's or TLS's code */
  readonly onEnd: (why: string) => void;
}

/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeMs = 500;

export class SocketLine {
  readonly #options: SocketLineOptions;
  #waiting = 0;
  #watch: Timer | undefined;
  #late: Timer | undefined;
  /** Until then it is not read from: more came than may. */
  #rest: Timer | undefined;
  #isOver = false;

  constructor(options: SocketLineOptions) {
    this.#options = options;
    const { socket, onData, pace } = options;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      onData(chunk);
      this.#restFor(pace?.take(chunk.length) ?? 0);
    });
    socket.on("end", () => this.#end("closed"));
    socket.on("error", (error) => this.#end(errorCode(error) ?? "other"));
    socket.on("close", () => {
      this.#end("closed");
      this.#late?.cancel();
    });
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Does nothing once it is over. */
  write(bytes: Uint8Array): void {
    const { socket, mostWaiting } = this.#options;
    if (this.#isOver || !socket.writable) return;
    this.#waiting += bytes.length;
    socket.write(bytes, () => this.#taken(bytes.length));
    if (this.#waiting <= mostWaiting || this.#watch !== undefined) return;
    socket.pause();
    this.#watchWaiting();
  }

  /** Ends it after what was written, within half a second. Its owner is not told. */
  close(): void {
    this.#isOver = true;
    this.#watch?.cancel();
    this.#rest?.cancel();
    const { socket, clock } = this.#options;
    if (socket.destroyed) return;
    socket.end();
    socket.resume();
    this.#late ??= clock.after(closeMs, () => socket.destroy());
  }

  #taken(bytes: number): void {
    this.#waiting -= bytes;
    if (this.#watch === undefined || this.#isOver) return;
    this.#watch.cancel();
    this.#watch = undefined;
    if (this.#waiting > this.#options.mostWaiting / 2) this.#watchWaiting();
    else this.#readOn();
  }

  #restFor(ms: number): void {
    if (ms <= 0 || this.#isOver) return;
    const { socket, clock } = this.#options;
    socket.pause();
    this.#rest?.cancel();
    this.#rest = clock.after(ms, () => {
      this.#rest = undefined;
      this.#readOn();
    });
  }

  #readOn(): void {
    if (this.#watch === undefined && this.#rest === undefined) this.#options.socket.resume();
  }

  #watchWaiting(): void {
    this.#watch = this.#options.clock.after(this.#options.stalledMs, () => this.#end("stalled"));
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch?.cancel();
    this.#rest?.cancel();
    this.#options.socket.destroy();
    this.#options.onEnd(why);
  }
}
