/** Answers on one TCP connection: those of one turn are written together, and bounded where they are not read. */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import {
  longestAnswer,
  type SupplyResponse,
  writeSupplyAnswerFrame,
} from "../../wire/kq1/supply-answer.ts";

/** Bytes of memory that answers are put together in. */
const chunkLength = 16_384;
/** While a node leaves more than this unread it is not read from, bytes. */
const mostUnread = 1_048_576;

export interface AnswersParts {
  readonly socket: Socket;
  readonly clock: Clock;
  /** A node takes some of what waits within this time, ms. */
  readonly unreadMs: number;
  /** A node that reads nothing is not read from. */
  readonly hold: (held: boolean) => void;
  /** It has read nothing for that long. */
  readonly stalled: () => void;
}

export class Answers {
  readonly #parts: AnswersParts;
  #chunk = Buffer.alloc(0);
  #from = 0;
  #end = 0;
  #isQueued = false;
  #timer: Timer | undefined;
  #unread = 0;
  #ending = false;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  /** @param ids the QKD-key ID is at `from`; undefined in a refusal that names no key */
  add(messageId: number, ids: Buffer | undefined, from: number, response: SupplyResponse): void {
    this.#put((chunk, at) => writeSupplyAnswerFrame(chunk, at, messageId, ids, from, response));
  }

  /** A message of another kind. */
  send(message: Buffer): void {
    this.#flush();
    this.#write(message);
  }

  /** Ends this side of the connection after what was added. */
  end(): void {
    this.#ending = true;
    this.#flush();
  }

  /** The connection is over. */
  stop(): void {
    this.#timer?.cancel();
    this.#chunk = Buffer.alloc(0);
    this.#from = 0;
    this.#end = 0;
  }

  #put(write: (chunk: Buffer, at: number) => number): void {
    if (this.#chunk.length - this.#end < longestAnswer) {
      this.#flush();
      this.#chunk = Buffer.allocUnsafeSlow(chunkLength);
      this.#from = 0;
      this.#end = 0;
    }
    this.#end = write(this.#chunk, this.#end);
    if (this.#isQueued) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      this.#flush();
    });
  }

  #flush(): void {
    if (this.#end > this.#from) this.#write(this.#chunk.subarray(this.#from, this.#end));
    this.#from = this.#end;
    if (this.#ending) this.#parts.socket.end();
  }

  #write(bytes: Buffer): void {
    const { socket } = this.#parts;
    if (!socket.writable) return;
    this.#unread += bytes.length;
    socket.write(bytes, () => this.#taken(bytes.length));
    if (this.#unread <= mostUnread || this.#timer !== undefined) return;
    this.#parts.hold(true);
    this.#watch();
  }

  #taken(bytes: number): void {
    this.#unread -= bytes;
    if (this.#timer === undefined) return;
    this.#timer.cancel();
    this.#timer = undefined;
    if (this.#unread <= mostUnread / 2) this.#parts.hold(false);
    else this.#watch();
  }

  #watch(): void {
    this.#timer = this.#parts.clock.after(this.#parts.unreadMs, this.#parts.stalled);
  }
}
