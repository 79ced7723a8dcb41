/**
 * What goes out on one connection, in order: messages are written into chunks of memory that are
 * wiped as soon as the socket has taken them.
 *
 * Each write is of one chunk, and no more than one waits behind the one that is under way: several
 * that wait a TLS socket joins into a copy of its own, which nobody wipes. A write for each message
 * would cost more than the message.
 */
import type { Writable } from "node:stream";
import { Chunks } from "../port/chunks.ts";
import { scratchPiece } from "./engine.ts";

/**
 * Messages of one turn share a chunk; a longer message has one of its own. They are where base64 is
 * made, so that it needn't be copied.
 */
const chunks = new Chunks(262_144, 16, scratchPiece);

/** A chunk, and how much of it is to be sent. */
interface Filled {
  readonly chunk: Buffer;
  readonly end: number;
}
/** While so many bytes wait for the socket no more should be put behind them. */
const fullAt = 1_048_576;
/** Writes at once: the one under way, and the one behind it. */
const mostWrites = 2;

export class Outgoing {
  readonly #stream: Writable;
  /** The chunk that is being filled, and how far. */
  #chunk: Buffer | undefined;
  #end = 0;
  readonly #ready: Filled[] = [];
  #writes = 0;
  #flushQueued = false;
  #ending = false;
  #over = false;
  #unsent = 0;
  #onDrained: () => void = () => {};

  constructor(stream: Writable) {
    this.#stream = stream;
  }

  /** Bytes that the socket has not taken yet. */
  get unsent(): number {
    return this.#unsent;
  }

  /** Whether what is put here now would only wait. */
  get full(): boolean {
    return this.#unsent >= fullAt;
  }

  /** Has `listener` called whenever nothing is left to send. One listener. */
  whenDrained(listener: () => void): void {
    this.#onDrained = listener;
  }

  /**
   * Memory for a message of at most `bytes`, to be written from {@link at} on and then committed.
   * What is written and not committed must be overwritten by the caller.
   */
  room(bytes: number): Buffer {
    if (this.#chunk !== undefined && this.#chunk.length - this.#end < bytes) this.#close();
    if (this.#chunk === undefined) {
      this.#chunk = bytes <= chunks.length ? chunks.take() : Buffer.allocUnsafeSlow(bytes);
      this.#end = 0;
    }
    return this.#chunk;
  }

  /** Where the next message begins in what {@link room} gave. */
  get at(): number {
    return this.#end;
  }

  /** The message ends here; it is sent with all others of this turn. */
  commit(end: number): void {
    this.#unsent += end - this.#end;
    this.#end = end;
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  /** Ends the stream once all that was committed has been sent. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  /** Forgets what the socket has not been given. */
  drop(): void {
    this.#over = true;
    this.#close();
    for (const filled of this.#ready.splice(0)) wipe(filled);
  }

  #close(): void {
    if (this.#chunk === undefined) return;
    const filled = { chunk: this.#chunk, end: this.#end };
    if (filled.end > 0) this.#ready.push(filled);
    else wipe(filled);
    this.#chunk = undefined;
    this.#end = 0;
  }

  #flush(): void {
    this.#flushQueued = false;
    while (!this.#over && this.#writes < mostWrites) {
      if (this.#ready.length === 0) this.#close();
      const filled = this.#ready.shift();
      if (filled === undefined) break;
      this.#write(filled);
    }
    if (this.#over || this.#writes > 0) return;
    if (this.#ending) this.#stream.end();
    else this.#onDrained();
  }

  #write(filled: Filled): void {
    this.#writes++;
    this.#stream.write(filled.chunk.subarray(0, filled.end), () => {
      this.#writes--;
      this.#unsent -= filled.end;
      // Also after an error: the stream is done with it.
      wipe(filled);
      this.#flush();
    });
  }
}

function wipe({ chunk, end }: Filled): void {
  chunk.fill(0, 0, end);
  chunks.giveBack(chunk);
}
