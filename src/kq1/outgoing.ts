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

/** Messages of one turn share a chunk; a longer message has one of its own. */
const chunks = new Chunks(262_144, 16);
/** While so many bytes wait for the socket no more should be put behind them. */
const fullAt = 1_048_576;
/** Writes at once: the one under way, and the one behind it. */
const mostWrites = 2;

export class Outgoing {
  readonly #stream: Writable;
  /** The chunk that is being filled, and how far. */
  #chunk: Buffer | undefined;
  #end = 0;
  readonly #ready: Buffer[] = [];
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
    this.#chunk?.fill(0, 0, this.#end);
    this.#chunk = undefined;
    for (const chunk of this.#ready) chunk.fill(0);
    this.#ready.length = 0;
  }

  #close(): void {
    if (this.#chunk === undefined) return;
    if (this.#end > 0) this.#ready.push(this.#chunk.subarray(0, this.#end));
    this.#chunk = undefined;
    this.#end = 0;
  }

  #flush(): void {
    this.#flushQueued = false;
    while (!this.#over && this.#writes < mostWrites) {
      if (this.#ready.length === 0) this.#close();
      const bytes = this.#ready.shift();
      if (bytes === undefined) break;
      this.#write(bytes);
    }
    if (this.#over || this.#writes > 0) return;
    if (this.#ending) this.#stream.end();
    else this.#onDrained();
  }

  #write(bytes: Buffer): void {
    this.#writes++;
    this.#stream.write(bytes, (error) => {
      this.#writes--;
      this.#unsent -= bytes.length;
      bytes.fill(0);
      // Memory that a broken connection had is nobody else's.
      if (!error && bytes.buffer.byteLength === chunks.length) chunks.giveBack(bytes);
      this.#flush();
    });
  }
}
