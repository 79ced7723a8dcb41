/**
 * Kq-1 over TCP as the test KM reads and writes it (draft Q.QKDN_Kq-1, Annex A and Tables 1 and 2).
 * Written from the documents, apart from the node's own codec, so that neither can hide the other's
 * mistake. Every name, code and limit of the protocol is in this file.
 */
import { Fault } from "../../../src/base/errors.ts";

export const version = 1;
/** Version u16, MessageID u32, CommandCode u16, Length u16; network byte order. */
export const headerBytes = 10;
export const maxPayloadBytes = 0xffff;

/** CommandCodes (Table A.1). */
export const codes = {
  keySupply: 0x0001,
  keySupplyResponse: 0x0002,
  keyRequest: 0x0003,
  keyRequestResponse: 0x0004,
} as const;

const knownCodes: ReadonlySet<number> = new Set(Object.values(codes));

/** JSON names of the parameters of Tables 1 to 4. */
export const names = {
  key: "key",
  keyId: "key_ID",
  moduleId: "qkd_module_ID",
  matchingModuleId: "matching_qkd_module_ID",
  keyLength: "key_length",
  generatedAt: "generation_timestamp",
  hash: "hash_value",
  extension: "extension",
  requestId: "request_ID",
  response: "response",
  keys: "keys",
} as const;

/** What `response` says (Table 2): `success`, or why not. */
export const reasons = [
  "success",
  "busy",
  "storage_full",
  "hash_mismatch",
  "duplicate_key_ID",
  "invalid_message",
  "unknown_module",
  "key_length_unsupported",
  "unauthorized",
  "internal_error",
] as const;

export type Reason = (typeof reasons)[number];

/** A message; `payload` is valid until the next frame is asked for. */
export interface Frame {
  readonly messageId: number;
  readonly code: number;
  readonly payload: Uint8Array;
}

/** A header that cannot be followed; nothing after it on the connection can be trusted. */
export interface BadHeader {
  readonly messageId: number;
  readonly fault: Fault;
}

function checkHeader(header: DataView): Fault | undefined {
  const givenVersion = header.getUint16(0);
  if (givenVersion !== version) {
    return new Fault("kq1.frame", "unknown Version in a header", {
      version: givenVersion,
      expected: version,
    });
  }
  const code = header.getUint16(6);
  if (!knownCodes.has(code)) {
    return new Fault("kq1.frame", "unknown CommandCode in a header", { code });
  }
  return undefined;
}

/**
 * Cuts a byte stream into frames, wherever the stream is split. Holds one frame at most (65,545
 * bytes), and overwrites what it has handed out.
 */
export class FrameReader {
  readonly #frame = new Uint8Array(headerBytes + maxPayloadBytes);
  readonly #header = new DataView(this.#frame.buffer, 0, headerBytes);
  #length = 0;

  /** Bytes of a frame that is not complete yet. */
  get pending(): number {
    return this.#length;
  }

  /**
   * Takes a chunk of the stream, which is overwritten with zeros, and yields what became complete.
   * Whoever gets a {@link BadHeader} stops reading the connection.
   */
  *push(chunk: Uint8Array): Generator<Frame | BadHeader, void, void> {
    try {
      let at = 0;
      while (at < chunk.length) {
        const want = this.#wanted();
        const part = chunk.subarray(at, at + want - this.#length);
        this.#frame.set(part, this.#length);
        this.#length += part.length;
        at += part.length;
        if (this.#length < want) return;
        yield* this.#complete();
      }
    } finally {
      chunk.fill(0);
    }
  }

  /** Overwrites whatever is pending. */
  wipe(): void {
    this.#frame.fill(0, 0, this.#length);
    this.#length = 0;
  }

  /** Bytes that the header, or once it is there the whole frame, has. */
  #wanted(): number {
    return this.#length < headerBytes ? headerBytes : headerBytes + this.#header.getUint16(8);
  }

  *#complete(): Generator<Frame | BadHeader, void, void> {
    const messageId = this.#header.getUint32(2);
    if (this.#length === headerBytes) {
      const fault = checkHeader(this.#header);
      if (fault !== undefined) yield { messageId, fault };
    }
    const end = this.#wanted();
    if (this.#length < end) return;
    try {
      const code = this.#header.getUint16(6);
      yield { messageId, code, payload: this.#frame.subarray(headerBytes, end) };
    } finally {
      this.wipe();
    }
  }
}

/** The parameters of a Response to key supply (Table 2) that this KM sends. */
export interface SupplyResponse {
  /** Empty where the message's own could not be read. */
  readonly keyId: string;
  readonly moduleId?: string;
  readonly response: Reason;
}

/** A Response to key supply, ready to be written. */
export function encodeResponse(messageId: number, response: SupplyResponse): Buffer {
  const payload = Buffer.from(
    JSON.stringify({
      [names.keyId]: response.keyId,
      [names.moduleId]: response.moduleId,
      [names.response]: response.response,
    }),
  );
  return encodeFrame(messageId, codes.keySupplyResponse, payload);
}

/** A message with its header. */
export function encodeFrame(messageId: number, code: number, payload: Buffer): Buffer {
  const frame = Buffer.alloc(headerBytes + payload.length);
  frame.writeUInt16BE(version, 0);
  frame.writeUInt32BE(messageId, 2);
  frame.writeUInt16BE(code, 6);
  frame.writeUInt16BE(payload.length, 8);
  payload.copy(frame, headerBytes);
  return frame;
}
