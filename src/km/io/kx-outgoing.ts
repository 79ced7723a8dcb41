/**
 * What goes out over a KM link, in order and bounded. Books are cut into frames only as the other KM reads:
 * they may be much longer than what may wait here.
 */
import type { Writable } from "node:stream";
import { freeMemory } from "../../port/key.ts";
import { cutExtents, cutUses, encodeFrame } from "../../wire/kx/codec.ts";
import type { KxMessage } from "../../wire/kx/messages.ts";
import { cutRelay } from "../../wire/kx/relay-pieces.ts";

/** Bytes that may wait for the other KM, who may get all that is in flight at once; a longer queue is cut. */
export const maxWaiting = 33_554_432;
/** MessageIDs count from 1 up to this, and from 1 again. */
const lastMessageId = 0xffff_ffff;

export function messageIdAfter(id: number): number {
  return id === lastMessageId ? 1 : id + 1;
}

export class KxOutgoing {
  readonly #stream: Writable;
  readonly #now: () => number;
  /** A frame without its MessageID, or messages of which each is made when there is room for it. */
  readonly #queue: (Buffer | Iterator<KxMessage>)[] = [];
  #queued = 0;
  #messageId = 0;
  #isCorked = false;
  #isEnding = false;
  #wroteAt: number;
  #movedAt: number;

  /** @param now monotonic, ms */
  constructor(stream: Writable, now: () => number) {
    this.#stream = stream;
    this.#now = now;
    this.#wroteAt = now();
    this.#movedAt = now();
  }

  /** Bytes that wait, here and in the socket. */
  get waiting(): number {
    return this.#queued + this.#stream.writableLength;
  }

  get full(): boolean {
    return this.waiting > maxWaiting;
  }

  /** When something was written last, monotonic ms. */
  get wroteAt(): number {
    return this.#wroteAt;
  }

  /** How long what waits in the socket has not moved, ms. */
  get stalledMs(): number {
    return this.#stream.writableLength === 0 ? 0 : this.#now() - this.#movedAt;
  }

  /** @throws Fault `kx.message` if it cannot be encoded; of books some may be on their way then */
  send(message: KxMessage): void {
    if (message.type === "syncExtents") {
      this.#queue.push(cutExtents(message.extents));
    } else if (message.type === "syncUses") {
      this.#queue.push(cutUses(message.uses));
    } else if (message.type === "relay") {
      const { pieces, last } = cutRelay(message);
      for (const bytes of pieces) this.#add({ type: "relayPiece", bytes });
      this.#add(last);
    } else this.#add(message);
    this.pump();
  }

  #add(message: KxMessage): void {
    const frame = encodeFrame(message, 0);
    this.#queue.push(frame);
    this.#queued += frame.length;
  }

  /** Ends the stream behind what waits. Nothing may be sent any more. @throws Fault `kx.message` */
  end(): void {
    this.#isEnding = true;
    this.pump();
  }

  /** Writes what there is room for. @throws Fault `kx.message` */
  pump(): void {
    const stream = this.#stream;
    while (!stream.writableNeedDrain && stream.writable) {
      const [first] = this.#queue;
      if (first === undefined) {
        if (this.#isEnding) stream.end();
        return;
      }
      if (Buffer.isBuffer(first)) {
        this.#queue.shift();
        this.#queued -= first.length;
        this.#write(first);
        continue;
      }
      const { done, value } = first.next();
      if (done) this.#queue.shift();
      else this.#write(encodeFrame(value, 0));
    }
  }

  #write(frame: Buffer): void {
    const stream = this.#stream;
    this.#messageId = messageIdAfter(this.#messageId);
    frame.writeUInt32BE(this.#messageId, 2);
    this.#wroteAt = this.#now();
    if (stream.writableLength === 0) this.#movedAt = this.#wroteAt;
    // Messages of one turn leave together: a TLS record for each would cost more than the message.
    if (!this.#isCorked) {
      this.#isCorked = true;
      stream.cork();
      queueMicrotask(() => {
        this.#isCorked = false;
        stream.uncork();
      });
    }
    stream.write(frame, () => {
      freeMemory(frame);
      this.#movedAt = this.#now();
    });
  }
}
