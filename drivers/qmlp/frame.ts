/** The frame of QMLP §1: header, body, CRC-32. */
import { crc32 } from "node:zlib";
import { cobsBound, cobsEncode } from "./cobs.ts";

export const headerLength = 6;
export const crcLength = 4;
export const frameOverhead = headerLength + crcLength;

export const flagReliable = 1;
export const flagNak = 2;

/** Message types, QMLP §4. */
export const type = {
  hello: 0x01,
  welcome: 0x02,
  refuse: 0x03,
  ping: 0x04,
  pong: 0x05,
  ack: 0x06,
  bye: 0x07,
  unknown: 0x08,
  credit: 0x10,
  key: 0x11,
  more: 0x12,
  release: 0x13,
  released: 0x14,
  discard: 0x15,
  discarded: 0x16,
  read: 0x17,
  telemetry: 0x20,
  event: 0x21,
  command: 0x30,
  result: 0x31,
} as const;

const reliableTypes: ReadonlySet<number> = new Set([
  type.credit,
  type.key,
  type.more,
  type.release,
  type.released,
  type.discard,
  type.discarded,
  type.read,
  type.event,
  type.command,
  type.result,
]);
const knownTypes: ReadonlySet<number> = new Set(Object.values(type));

/** Whether frames of this type are numbered (column R of the table in QMLP §4). */
export function isReliable(messageType: number): boolean {
  return reliableTypes.has(messageType);
}

export function isKnown(messageType: number): boolean {
  return knownTypes.has(messageType);
}

/** A received frame. `body` is a view that is valid only until the handler returns. */
export interface Frame {
  readonly type: number;
  readonly reliable: boolean;
  readonly nak: boolean;
  readonly seq: number;
  readonly ack: number;
  readonly body: Buffer;
}

/** Reads a decoded frame; undefined if it is too short or its CRC is wrong. */
export function parseFrame(bytes: Buffer): Frame | undefined {
  const end = bytes.length - crcLength;
  if (end < headerLength) return undefined;
  if (crc32(bytes.subarray(0, end)) !== bytes.readUInt32LE(end)) return undefined;
  const flags = bytes[1] as number;
  return {
    type: bytes[0] as number,
    reliable: (flags & flagReliable) !== 0,
    nak: (flags & flagNak) !== 0,
    seq: bytes.readUInt16LE(2),
    ack: bytes.readUInt16LE(4),
    body: bytes.subarray(headerLength, end),
  };
}

/** Bytes that one frame with a body of that length can take on the wire, with its 0x00. */
export function wireBound(bodyLength: number): number {
  return cobsBound(bodyLength + frameOverhead) + 1;
}

/** Writes frames; owns the memory in which it assembles them. */
export class FrameWriter {
  readonly #plain: Buffer;

  /** @param maxBody the longest body, in bytes */
  constructor(maxBody: number) {
    this.#plain = Buffer.alloc(maxBody + frameOverhead);
  }

  /**
   * Appends an encoded frame to `target` at `at`, which has room for {@link wireBound}.
   * @returns the offset after the frame's 0x00
   */
  write(
    messageType: number,
    flags: number,
    seq: number,
    ack: number,
    body: Uint8Array,
    target: Buffer,
    at: number,
  ): number {
    const plain = this.#plain;
    const end = headerLength + body.length;
    plain[0] = messageType;
    plain[1] = flags;
    plain.writeUInt16LE(seq, 2);
    plain.writeUInt16LE(ack, 4);
    plain.set(body, headerLength);
    plain.writeUInt32LE(crc32(plain.subarray(0, end)), end);
    const out = cobsEncode(plain.subarray(0, end + crcLength), target, at);
    target[out] = 0;
    return out + 1;
  }

  /** Wipes what is left of the last frame. */
  wipe(): void {
    this.#plain.fill(0);
  }
}
