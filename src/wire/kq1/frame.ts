/** The message format of Annex A, Figure A.1: Version, MessageID, CommandCode, Length, Payload. */
import { Fault, type FaultCode } from "../../base/errors.ts";
import { header } from "./names.ts";

/** A frame that came; valid only until the handler returns, as one object serves for all. */
export class KqFrame {
  messageId = 0;
  command = 0;
  /** The payload is `[start, end)` of these. */
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;

  /** A view: valid no longer than the frame. */
  get payload(): Buffer {
    return this.bytes.subarray(this.start, this.end);
  }
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
  /** Made for the first frame that comes in parts: of a thousand connections most never have one. */
  #held: Buffer = Buffer.alloc(0);
  #length = 0;
  readonly #frame = new KqFrame();
  readonly #onFrame: (frame: KqFrame) => void;
  readonly #code: FaultCode;

  /** @param code of the Fault for what is no frame: other interfaces have the same one */
  constructor(onFrame: (frame: KqFrame) => void, code: FaultCode = "kq1.frame") {
    this.#onFrame = onFrame;
    this.#code = code;
  }

  /** Bytes of a frame that is not complete yet. */
  get pending(): number {
    return this.#length;
  }

  /**
   * @throws Fault `kq1.frame`, or of the given code, on a wrong version, with the frame's `message_id` and `command` as facts;
   *   the stream can't be followed after that
   */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#length === 0) {
        const taken = this.#whole(chunk, at, chunk.length);
        if (taken > 0) {
          at += taken;
          continue;
        }
      }
      at += this.#keep(chunk, at);
      const length = this.#whole(this.#held, 0, this.#length);
      if (length === 0) continue;
      // A key may be in it.
      this.#held.fill(0, 0, length);
      this.#length = 0;
    }
  }

  wipe(): void {
    this.#held.fill(0);
    this.#length = 0;
  }

  /** Hands on the frame at `at` if it is there whole, before `end`. @returns its length, or 0 */
  #whole(bytes: Buffer, at: number, end: number): number {
    const length = wanted(bytes, at, end);
    if (length < 0) return 0;
    const version = u16(bytes, at);
    if (version !== header.version) {
      throw new Fault(this.#code, "unknown version of the message format", {
        version,
        expected: header.version,
        message_id: bytes.readUInt32BE(at + 2),
        command: bytes.readUInt16BE(at + 6),
      });
    }
    if (end - at < length) return 0;
    const frame = this.#frame;
    frame.messageId = u16(bytes, at + 2) * 0x1_0000 + u16(bytes, at + 4);
    frame.command = u16(bytes, at + 6);
    frame.bytes = bytes;
    frame.start = at + header.length;
    frame.end = at + length;
    this.#onFrame(frame);
    return length;
  }

  /** Keeps what is missing of the frame, no more. @returns how many bytes were taken */
  #keep(chunk: Buffer, at: number): number {
    if (this.#held.length === 0) this.#held = Buffer.alloc(header.length + header.maxPayload);
    const target = wanted(this.#held, 0, this.#length);
    const upTo = target < 0 ? header.length : target;
    const end = Math.min(chunk.length, at + upTo - this.#length);
    chunk.copy(this.#held, this.#length, at, end);
    this.#length += end - at;
    return end - at;
  }
}

/** A call of `readUInt16BE` takes as long as all the rest of a header. */
function u16(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
}

/** Length of the frame that begins at `at`, or -1 while its header is incomplete. */
function wanted(bytes: Buffer, at: number, end: number): number {
  if (end - at < header.length) return -1;
  return header.length + u16(bytes, at + 8);
}
