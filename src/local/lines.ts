/** Reads lines from a client, one when it is asked for. Holds no more than one of the longest. */
import type { Socket } from "node:net";

export class LineReader {
  #text = "";
  #ended = false;
  #waiting: ((line: string | undefined) => void) | undefined;
  readonly #limit: number;

  /** @param limit bytes of a line; a longer one reads as empty */
  constructor(socket: Socket, limit: number) {
    this.#limit = limit;
    socket.setEncoding("utf8");
    socket.on("data", (chunk: string) => {
      // What nobody waits for is not kept.
      if (Buffer.byteLength(this.#text) <= limit) this.#text += chunk;
      this.#look();
    });
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#ended = true;
        this.#look();
      });
    }
  }

  /** The next line; undefined when there will be none. */
  read(): Promise<string | undefined> {
    return new Promise((resolve) => {
      this.#waiting = resolve;
      this.#look();
    });
  }

  #look(): void {
    const resolve = this.#waiting;
    if (resolve === undefined) return;
    const end = this.#text.indexOf("\n");
    const tooLong =
      Buffer.byteLength(end < 0 ? this.#text : this.#text.slice(0, end)) > this.#limit;
    if (end < 0 && !tooLong && !this.#ended) return;
    this.#waiting = undefined;
    if (tooLong) return resolve("");
    if (end < 0) return resolve(undefined);
    const line = this.#text.slice(0, end);
    this.#text = this.#text.slice(end + 1);
    resolve(line);
  }
}
