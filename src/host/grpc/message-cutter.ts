/** Messages of gRPC in a stream of bytes: a byte that says whether it is compressed, u32 length, the message. */
import { GrpcError, grpcStatus } from "./status.ts";

const prefix = 5;

/** A message with its prefix. */
export function prefixed(message: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(prefix + message.length);
  bytes[0] = 0;
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, prefix);
  return bytes;
}

export class MessageCutter {
  readonly #most: number;
  readonly #onMessage: (message: Buffer) => void;
  #head = Buffer.alloc(prefix);
  #headLength = 0;
  #body: Buffer | undefined;
  #bodyLength = 0;

  /** @param most bytes of a message */
  constructor(most: number, onMessage: (message: Buffer) => void) {
    this.#most = most;
    this.#onMessage = onMessage;
  }

  /** Whether a message is begun and not complete. */
  get isWithin(): boolean {
    return this.#headLength > 0;
  }

  /** @throws GrpcError if a message is too long or compressed: the stream can't be followed after that */
  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length || this.#isComplete) {
      if (this.#body === undefined) {
        const taken = chunk.copy(this.#head, this.#headLength, at, at + prefix - this.#headLength);
        this.#headLength += taken;
        at += taken;
        if (this.#headLength < prefix) return;
        // Nothing is kept for a message that has not come: its length is only what the peer says.
        this.#body = Buffer.alloc(0);
        this.#checkHead();
        continue;
      }
      const length = this.#length;
      const missing = length - this.#bodyLength;
      if (this.#bodyLength === 0 && chunk.length - at >= missing) {
        const message = chunk.subarray(at, at + missing);
        at += missing;
        this.#deliver(message);
        continue;
      }
      const taken = Math.min(missing, chunk.length - at);
      this.#keep(chunk.subarray(at, at + taken));
      at += taken;
      if (this.#bodyLength === length) this.#deliver(this.#body.subarray(0, length));
    }
  }

  get #length(): number {
    return this.#head.readUInt32BE(1);
  }

  /** A message without bytes is complete with its prefix. */
  get #isComplete(): boolean {
    return this.#body !== undefined && this.#bodyLength === this.#length;
  }

  #checkHead(): void {
    if (this.#head[0] !== 0) {
      throw new GrpcError(grpcStatus.unimplemented, "compressed messages are not supported");
    }
    if (this.#length <= this.#most) return;
    const why = `message of ${this.#length} bytes, the limit is ${this.#most}`;
    throw new GrpcError(grpcStatus.resourceExhausted, why);
  }

  /** Grows as bytes come. */
  #keep(bytes: Buffer): void {
    const wanted = this.#bodyLength + bytes.length;
    let body = this.#body as Buffer;
    if (body.length < wanted) {
      const room = Math.min(this.#length, Math.max(wanted, 2 * body.length));
      body = Buffer.concat([body.subarray(0, this.#bodyLength)], room);
      this.#body = body;
    }
    bytes.copy(body, this.#bodyLength);
    this.#bodyLength = wanted;
  }

  #deliver(message: Buffer): void {
    this.#headLength = 0;
    this.#bodyLength = 0;
    this.#body = undefined;
    this.#onMessage(message);
  }
}
