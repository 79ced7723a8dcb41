/**
 * Finds frames in a stream of bytes that may be cut anywhere, damaged, or never have been QMLP.
 * Holds at most one encoded frame; whatever comes in, it grows no further and never throws.
 */
import { cobsBound, cobsDecode } from "./cobs.ts";
import { type Frame, frameOverhead, parseFrame } from "./frame.ts";

export class Deframer {
  /** Frames handed on. */
  good = 0;
  /** Frames dropped: too long, too short, wrongly stuffed, wrong CRC. */
  bad = 0;

  readonly #partial: Buffer;
  #partialLength = 0;
  /** In a frame that is already too long: everything up to the next 0x00 belongs to it. */
  #skipping = false;
  readonly #longest: number;
  readonly #shortCrc: boolean;
  readonly #onFrame: (frame: Frame) => void;

  /**
   * @param maxBody the longest body accepted, in bytes
   * @param onFrame takes each good frame; its body is valid only during the call
   * @param shortCrc whether the peer may send KEY and MORE with a short CRC
   */
  constructor(maxBody: number, onFrame: (frame: Frame) => void, shortCrc = false) {
    this.#shortCrc = shortCrc;
    this.#partial = Buffer.alloc(cobsBound(maxBody + frameOverhead));
    this.#longest = maxBody + frameOverhead;
    this.#onFrame = onFrame;
  }

  /** @param chunk what came; frames are decoded in it, so it has nothing of use afterwards */
  push(chunk: Buffer): void {
    let start = 0;
    while (start < chunk.length) {
      const end = chunk.indexOf(0, start);
      if (end < 0) {
        if (!this.#skipping) this.#append(chunk, start, chunk.length);
        return;
      }
      if (this.#skipping) {
        this.#skipping = false;
      } else if (this.#partialLength === 0) {
        if (end > start) this.#frame(chunk, start, end);
      } else if (this.#append(chunk, start, end)) {
        const length = this.#partialLength;
        this.#partialLength = 0;
        this.#frame(this.#partial, 0, length);
        this.#partial.fill(0, 0, length);
      } else {
        this.#skipping = false;
      }
      start = end + 1;
    }
  }

  /** Wipes what is held; for the end of the session. */
  wipe(): void {
    this.#partial.fill(0);
    this.#partialLength = 0;
  }

  /** Adds to the incomplete frame; false, and the frame is given up, if it grows too long. */
  #append(chunk: Buffer, start: number, end: number): boolean {
    if (this.#partialLength + end - start > this.#partial.length) {
      this.bad++;
      // It may be key all the same.
      this.#partial.fill(0, 0, this.#partialLength);
      this.#partialLength = 0;
      this.#skipping = true;
      return false;
    }
    chunk.copy(this.#partial, this.#partialLength, start, end);
    this.#partialLength += end - start;
    return true;
  }

  #frame(bytes: Buffer, start: number, end: number): void {
    const ends = cobsDecode(bytes, start, end);
    const plain = bytes.subarray(start + 1, Math.max(start + 1, ends));
    const frame = plain.length <= this.#longest ? parseFrame(plain, this.#shortCrc) : undefined;
    if (frame === undefined) {
      this.bad++;
    } else {
      this.good++;
      this.#onFrame(frame);
    }
  }
}
