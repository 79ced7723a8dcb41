/** The message format of Annex A, Figure A.1: Version, MessageID, CommandCode, Length, Payload. */
import { Fault } from "../port/errors.ts";
import { header } from "./names.ts";

export interface KqFrame {
  readonly messageId: number;
  readonly command: number;
  /** A view that is valid only until the handler returns. */
  readonly payload: Buffer;
}

/** Writes the 10 bytes of a header at `at`. @param length payload bytes, at most 65,535 */
export function writeHeader(
  target: Buffer,
  at: number,
  messageId: number,
  commandCode: number,
  length: number,
): void {
  target.writeUInt16BE(header.version, at);
  target.writeUInt32BE(messageId, at + 2);
  target.writeUInt16BE(commandCode, at + 6);
  target.writeUInt16BE(length, at + 8);
}

/** Cuts a stream into frames. Holds at most one frame; Length bounds it. */
export class KqDeframer {
  readonly #held = Buffer.alloc(header.length + header.maxPayload);
  #length = 0;
  readonly #onFrame: (frame: KqFrame) => void;

  constructor(onFrame: (frame: KqFrame) => void) {
    this.#onFrame = onFrame;
  }

  /** Bytes of a frame that is not complete yet. */
  get pending(): number {
    return this.#length;
  }

  /**
   * @throws Fault `kq1.frame` on a wrong version, with the frame's `message_id` and `command` as facts;
   *   the stream can't be followed after that
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0) {
        const taken = this.#whole(chunk, at);
        if (taken > 0) {
          at += taken;
          continue;
        }
      }
      at += this.#keep(chunk, at);
      if (this.#whole(this.#held.subarray(0, this.#length), 0) > 0) this.#length = 0;
    }
  }

  wipe(): void {
    this.#held.fill(0);
    this.#length = 0;
  }

  /** Hands on the frame at `at` if it is there whole. @returns its length, or 0 */
  #whole(bytes: Buffer, at: number): number {
    const length = wanted(bytes, at);
    if (length < 0) return 0;
    const version = bytes.readUInt16BE(at);
    if (version !== header.version) {
      throw new Fault("kq1.frame", "unknown version of the message format", {
        version,
        expected: header.version,
        message_id: bytes.readUInt32BE(at + 2),
        command: bytes.readUInt16BE(at + 6),
      });
    }
    if (bytes.length - at < length) return 0;
    this.#onFrame({
      messageId: bytes.readUInt32BE(at + 2),
      command: bytes.readUInt16BE(at + 6),
      payload: bytes.subarray(at + header.length, at + length),
    });
    return length;
  }

  /** Keeps what is missing of the frame, no more. @returns how many bytes were taken */
  #keep(chunk: Buffer, at: number): number {
    const target = wanted(this.#held.subarray(0, this.#length), 0);
    const upTo = target < 0 ? header.length : target;
    const end = Math.min(chunk.length, at + upTo - this.#length);
    chunk.copy(this.#held, this.#length, at, end);
    this.#length += end - at;
    return end - at;
  }
}

/** Length of the frame that begins at `at`, or -1 while its header is incomplete. */
function wanted(bytes: Buffer, at: number): number {
  if (bytes.length - at < header.length) return -1;
  return header.length + bytes.readUInt16BE(at + 8);
}
