/**
 * What goes out on one connection, in order: messages are written into chunks of memory that are
 * wiped as soon as the socket has taken them.
 *
 * Each write is of one chunk, and no more than one waits behind the one that is under way: several
 * that wait a TLS socket joins into a copy of its own, which is never wiped. A write for each message
 * would cost more than the message.
 */
import type { Writable } from "node:stream";
import { Chunks } from "../../base/chunks.ts";
import { scratchPiece } from "../../wire/kq1/engine.ts";

/**
 * Messages of one turn share a chunk; a longer message has one of its own. They are where base64 is
 * made, so that it needn't be copied.
 */
const chunks = new Chunks(262_144, 16, scratchPiece);

/** How sending a message ended: see `Sending` of the desk. */
export type Told = (how: "sent" | "unsent" | "torn") => void;

/** A chunk, how much of it is to be sent, and what is called then. */
interface Filled {
  readonly chunk: Buffer;
  readonly end: number;
  readonly told: readonly Told[];
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
  #told: Told[] = [];
  readonly #ready: Filled[] = [];
  /** Given to the stream, and not come back. */
  readonly #written = new Set<Filled>();
  #flushQueued = false;
  #ending = false;
  #over = false;
  #unsent = 0;

  constructor(stream: Writable) {
    this.#stream = stream;
    // A stream need not say of each write what became of it once it is closed.
    stream.once("close", () => {
      for (const filled of this.#written) this.#back(filled, "torn");
    });
  }

  /** Bytes that the socket has not taken yet. */
  get unsent(): number {
    return this.#unsent;
  }

  /** Whether what is put here now would only wait. */
  get full(): boolean {
    return this.#unsent >= fullAt;
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

  /**
   * The message ends here; it is sent with all others of this turn.
   * @param told is called once: when all of it was sent, or when it is known that it can't be
   */
  commit(end: number, told?: Told): void {
    if (told !== undefined) this.#told.push(told);
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
    for (const filled of this.#ready.splice(0)) settle(filled, "unsent");
  }

  #close(): void {
    if (this.#chunk === undefined) return;
    const filled = { chunk: this.#chunk, end: this.#end, told: this.#told };
    if (filled.end > 0) this.#ready.push(filled);
    else settle(filled, "unsent");
    this.#chunk = undefined;
    this.#end = 0;
    this.#told = [];
  }

  #flush(): void {
    this.#flushQueued = false;
    while (!this.#over && this.#written.size < mostWrites) {
      if (this.#ready.length === 0) this.#close();
      const filled = this.#ready.shift();
      if (filled === undefined) break;
      this.#write(filled);
    }
    if (!this.#over && this.#ending && this.#written.size === 0) this.#stream.end();
  }

  #write(filled: Filled): void {
    const stream = this.#stream;
    if (!stream.writable) {
      this.#unsent -= filled.end;
      return settle(filled, "unsent");
    }
    this.#written.add(filled);
    stream.write(filled.chunk.subarray(0, filled.end), (error) => {
      // A socket that was destroyed meanwhile calls this without an error.
      const open = !error && !stream.destroyed;
      this.#back(filled, open ? "sent" : "torn");
      this.#flush();
    });
  }

  /** The stream is done with it, also after an error. */
  #back(filled: Filled, how: "sent" | "torn"): void {
    if (!this.#written.delete(filled)) return;
    this.#unsent -= filled.end;
    settle(filled, how);
  }
}

function settle({ chunk, end, told }: Filled, how: Parameters<Told>[0]): void {
  chunk.fill(0, 0, end);
  chunks.giveBack(chunk);
  for (const one of told) one(how);
}
