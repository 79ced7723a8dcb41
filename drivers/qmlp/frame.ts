/** The frame of QMLP §1: header, body, CRC-32. */
import { crc32 } from "node:zlib";
import { cobsBound, cobsEncode } from "./cobs.ts";

export const headerLength = 6;
export const crcLength = 4;
export const frameOverhead = headerLength + crcLength;

export const flagReliable = 1;
export const flagNak = 2;
/** The CRC leaves out key, which the check over the block covers. */
export const flagShortCrc = 4;

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

/** Whether frames of this type carry bytes of a block, which has a check of its own. */
export function carriesKey(messageType: number): boolean {
  return messageType === type.key || messageType === type.more;
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

/** So many bytes of a frame its CRC covers if it is short: both headers of KEY are among them. */
const shortCrcLength = 94;
const crcTail = Buffer.alloc(4);

/** CRC-32 of a frame; if it is short, of its beginning and its length (QMLP §1). */
function crcOf(bytes: Buffer, short: boolean): number {
  if (!short) return crc32(bytes);
  crcTail.writeUInt32LE(bytes.length, 0);
  return crc32(crcTail, crc32(bytes.subarray(0, shortCrcLength)));
}

/**
 * Reads a decoded frame; undefined if it is too short or its CRC is wrong.
 * @param shortCrc whether KEY and MORE may have the flag S, which is reserved otherwise
 */
export function parseFrame(bytes: Buffer, shortCrc: boolean): Frame | undefined {
  const end = bytes.length - crcLength;
  if (end < headerLength) return undefined;
  const messageType = bytes[0] as number;
  const flags = bytes[1] as number;
  const short = shortCrc && (flags & flagShortCrc) !== 0 && carriesKey(messageType);
  if (crcOf(bytes.subarray(0, end), short) !== bytes.readUInt32LE(end)) return undefined;
  return {
    type: messageType,
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

/**
 * Appends an encoded frame to `target` at `at`. It is put together in the same memory, behind where it
 * goes: what is left of {@link wireBound} holds parts of the body afterwards.
 * @param flags with {@link flagShortCrc} the CRC is a short one
 * @param target has room for {@link wireBound}
 * @returns the offset after the frame's 0x00
 */
export function writeFrame(
  messageType: number,
  flags: number,
  seq: number,
  ack: number,
  body: Uint8Array,
  target: Buffer,
  at: number,
): number {
  const length = body.length + frameOverhead;
  // As much ahead of its place as encoding may add: it never overtakes what it reads.
  const start = at + cobsBound(length) - length;
  const plain = target.subarray(start, start + length);
  const end = headerLength + body.length;
  plain[0] = messageType;
  plain[1] = flags;
  plain.writeUInt16LE(seq, 2);
  plain.writeUInt16LE(ack, 4);
  plain.set(body, headerLength);
  plain.writeUInt32LE(crcOf(plain.subarray(0, end), (flags & flagShortCrc) !== 0), end);
  const out = cobsEncode(plain, target, at);
  target[out] = 0;
  return out + 1;
}
