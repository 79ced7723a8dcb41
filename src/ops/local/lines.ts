/**
 * Reads from a client what is asked for, when it is asked for: a line, or so many bytes. Holds no more
 * than one of the longest lines, and a chunk; a client that sends more than that unasked is not read from.
 */
import type { Socket } from "node:net";

export class LineReader {
  #held: Buffer = Buffer.alloc(0);
  #ended = false;
  #isTooLong = false;
  #wake: () => void = () => {};
  /** Bytes are taken, not lines: nothing may be lost. */
  #whole = false;
  readonly #socket: Socket;
  readonly #limit: number;

  /** @param limit bytes of a line; a longer one reads as empty */
  constructor(socket: Socket, limit: number) {
    this.#socket = socket;
    this.#limit = limit;
    socket.on("data", (chunk: Buffer) => {
      this.#held = Buffer.concat([this.#held, chunk]);
      if (this.#whole || this.#held.length > limit) socket.pause();
      this.#wake();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#wake();
      });
    }
  }

  /** Whether the client sent more than was asked for, and is not read from. */
  get isFlooded(): boolean {
    return !this.#whole && this.#held.length > this.#limit;
  }

  /** A line was longer than the limit, and read as empty. */
  get isTooLong(): boolean {
    return this.#isTooLong;
  }

  /** The next line; undefined when there will be none. */
  async read(): Promise<string | undefined> {
    for (;;) {
      const end = this.#held.indexOf(10);
      this.#isTooLong = (end < 0 ? this.#held.length : end) > this.#limit;
      if (this.#isTooLong) return "";
      if (end >= 0) {
        const line = this.#held.toString("utf8", 0, end);
        this.#held = this.#held.subarray(end + 1);
        return line;
      }
      if (this.#ended) return undefined;
      await this.#more();
    }
  }

  /** The next bytes as they come; fewer than `length` if the client goes before. */
  async *bytes(length: number): AsyncGenerator<Buffer> {
    this.#whole = true;
    try {
      for (let left = length; left > 0; ) {
        const chunk = this.#held.subarray(0, left);
        this.#held = this.#held.subarray(chunk.length);
        left -= chunk.length;
        if (chunk.length > 0) yield chunk;
        else if (this.#ended) return;
        else {
          this.#socket.resume();
          await this.#more();
        }
      }
    } finally {
      this.#whole = false;
      if (!this.isFlooded) this.#socket.resume();
    }
  }

  #more(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
