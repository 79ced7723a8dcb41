/** Between the messages of a KM link and their bytes: see README.md. */
import { hash } from "node:crypto";
import { Fault } from "../../base/errors.ts";
import { writeHeader } from "../kq1/frame.ts";
import { header } from "../kq1/names.ts";
import { Reader, Writer } from "./bytes.ts";
import type { Field } from "./fields.ts";
import { extentBook, layouts, useBook } from "./layout.ts";
import type {
  ExtentBook,
  KxMessage,
  MatchMac,
  Offer,
  Propose,
  SyncExtents,
  SyncUses,
  UseBook,
  VersionedRange,
} from "./messages.ts";
import { command, size, versions } from "./names.ts";
import { keysThatFit } from "./offered-keys.ts";
import type { Relay } from "./relay-messages.ts";
import { cutRelay } from "./relay-pieces.ts";

const types = new Map(
  Object.entries(command).map(([type, code]) => [code as number, type as KxMessage["type"]]),
);
/** Where messages are made, one at a time. No key is ever in one. */
const scratch = Buffer.alloc(header.length + header.maxPayload);
const payloadRoom = scratch.subarray(header.length);

/** @throws Fault `kx.message` if a field is out of its range, or all of it does not fit a frame */
export function encodePayload(message: KxMessage): Buffer {
  return Buffer.from(payloadRoom.subarray(0, write(message)));
}

/**
 * Header and payload.
 * @param messageId counts the messages of this direction of a connection, from 1
 * @throws Fault `kx.message` as {@link encodePayload}
 */
export function encodeFrame(message: KxMessage, messageId: number): Buffer {
  const length = write(message);
  writeHeader(scratch, 0, messageId, command[message.type], length);
  return Buffer.from(scratch.subarray(0, header.length + length));
}

/**
 * A message of its own: nothing in it points into the payload.
 * @param code CommandCode
 * @throws Fault `kx.message` with the field, the limit and the offset in the payload as facts;
 *   `kx.version` for a HELLO of another version, whose other fields may be others
 */
export function decodePayload(code: number, payload: Buffer): KxMessage {
  const type = types.get(code);
  if (type === undefined) {
    throw new Fault("kx.message", "unknown command of a KM link", { command: code });
  }
  if (type === "hello") checkVersion(payload);
  const reader = new Reader(payload);
  reader.message = type;
  const body = layouts[type].read(reader) as object;
  if (reader.left > 0) {
    reader.field = "";
    throw reader.wrong("goes on after its last field", reader.at);
  }
  const message = { type, ...body } as KxMessage;
  if (message.type !== "propose" && message.type !== "offer") return message;
  return { ...message, digest: payloadDigest(message.type, payload) };
}

/** The digest that the receiver of this message will answer with; see `digest` of both. */
export function digestOf(message: Propose | Offer): Buffer {
  return payloadDigest(message.type, payloadRoom.subarray(0, write(message)));
}

/** What the one-time MAC of this message is over: its payload without the tag. */
export function matchText(message: MatchMac): Buffer {
  return Buffer.from(payloadRoom.subarray(0, write(message) - size.tag));
}

/** What the one-time MAC of this message is over: its payload without the tag, then the pieces of a longer body. */
export function relayText(message: Relay): Buffer[] {
  const { pieces, last } = cutRelay(message);
  const payload = Buffer.from(payloadRoom.subarray(0, write(last) - size.tag));
  return [payload, ...pieces];
}

/** Books of extents, in as many messages as they need, each made when it is asked for; none for none. */
export function* cutExtents(extents: readonly ExtentBook[]): Generator<SyncExtents> {
  for (const part of cut(extents, extentBook)) yield { type: "syncExtents", extents: part };
}

/** Books of uses, in as many messages as they need, each made when it is asked for; none for none. */
export function* cutUses(uses: readonly UseBook[]): Generator<SyncUses> {
  for (const part of cut(uses, useBook)) yield { type: "syncUses", uses: part };
}

/**
 * How many of these keys, from the first on, one OFFER can have: a longer one is not encoded.
 * @param ranges of all, one key after the other @param length bytes of each @returns 0 if the first alone is too long
 */
export function keysThatFitOffer(
  use: string | undefined,
  ranges: readonly VersionedRange[],
  length: number,
  keys: number,
): number {
  const head = offerHead + (use === undefined ? 0 : 2 + Buffer.byteLength(use));
  return keysThatFit(ranges, length, keys, header.maxPayload - head);
}

/** What is in the scratch room, and its length: an offer is sent at once after its digest. */
let written: { readonly message: KxMessage; readonly length: number } | undefined;

/** @returns length of the payload in the scratch room */
function write(message: KxMessage): number {
  if (written?.message === message) return written.length;
  written = undefined;
  const writer = new Writer(payloadRoom);
  writer.message = message.type;
  (layouts[message.type] as Field<object>).write(writer, message);
  written = { message, length: writer.at };
  return writer.at;
}

function checkVersion(payload: Buffer): void {
  if (payload.length < 2) return;
  const version = payload.readUInt16BE(0);
  if (versions.some((one) => one === version)) return;
  throw new Fault("kx.version", "the other KM speaks another version of the KM link", {
    version,
    expected: versions[0],
  });
}

function payloadDigest(type: "propose" | "offer", payload: Buffer): Buffer {
  const end = payload.length - (type === "propose" ? size.tag : 0);
  return hash("sha256", payload.subarray(0, end), "buffer");
}

/** Bytes of the count before a list. */
const countBytes = 2;
/** Of an OFFER without application and keys. */
const offerHead = size.offer + 1 + 4 + countBytes + size.tag;

/** @throws Fault `kx.message` for an item that is out of its range */
function* cut<T>(items: readonly T[], item: Field<T>): Generator<T[]> {
  let part: T[] = [];
  let bytes = countBytes;
  for (const one of items) {
    written = undefined;
    const writer = new Writer(payloadRoom);
    writer.message = "sync";
    writer.at = countBytes;
    item.write(writer, one);
    const length = writer.at - countBytes;
    if (bytes + length > header.maxPayload) {
      yield part;
      part = [];
      bytes = countBytes;
    }
    part.push(one);
    bytes += length;
  }
  if (part.length > 0) yield part;
}
