/**
 * A connection whose owner reads and writes messages: what waits for the other end is bounded, in bytes and in time,
 * and it ends once, with a reason.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { Reading, type ReadingLimits } from "../door/reading.ts";

export interface SocketLineOptions extends ReadingLimits {
  /** This line's from now on. */
  readonly socket: Socket;
  readonly clock: Clock;
  readonly onData: (chunk: Buffer) => void;
  /** Once. @param why `closed` by the other end, `stalled`, or the system's or TLS's code */
  readonly onEnd: (why: string) => void;
}

/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeMs = 500;

export class SocketLine {
  readonly #options: SocketLineOptions;
  readonly #reading: Reading;
  #late: Timer | undefined;
  #isOver = false;

  constructor(options: SocketLineOptions) {
    this.#options = options;
    const { socket, clock, onData } = options;
    this.#reading = new Reading(socket, options, clock, () => this.#end("stalled"));
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 10_000);
    socket.on("data", (chunk: Buffer) => {
      if (this.#isOver) return;
      onData(chunk);
      this.#reading.came(chunk.length);
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
    const { socket } = this.#options;
    if (this.#isOver || !socket.writable) return;
    this.#reading.writes(bytes.length);
    socket.write(bytes, () => this.#reading.taken(bytes.length));
  }

  /** Ends it after what was written, within half a second. Its owner is not told. */
  close(): void {
    this.#isOver = true;
    this.#reading.end();
    const { socket, clock } = this.#options;
    if (socket.destroyed) return;
    socket.end();
    socket.resume();
    this.#late ??= clock.after(closeMs, () => socket.destroy());
  }

  #end(why: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reading.end();
    this.#options.socket.destroy();
    this.#options.onEnd(why);
  }
}
