/** Base64 (RFC 4648 §4, with padding) read from bytes into the engine's memory: a key never is a JS string. */
import { engine, place, scratch } from "./engine.ts";

const padding = 0x3d;
/** From this many characters on the engine is quicker, though it has to copy. */
const long = 256;
/** Characters of one vector of the engine. */
const vector = 16;
/** Where the engine tells that a character is wrong: 16 bytes. */
const wrongAt = place.arrived + 0x200;
/** Set in the value of what is no character of base64. */
const wrongBit = 0x40;

const values = new Uint8Array(256).fill(wrongBit);
const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
for (let i = 0; i < letters.length; i++) values[letters.charCodeAt(i)] = i;

/** Bytes that `[from, to)` become, if it is base64. */
export function decodedLength(bytes: Uint8Array, from: number, to: number): number {
  const length = ((to - from) >> 2) * 3;
  if (to - from < 4 || bytes[to - 1] !== padding) return length;
  return bytes[to - 2] === padding ? length - 2 : length - 1;
}

/**
 * Decodes `[from, to)` to the engine's memory at `at`, which the caller wipes, also where it is refused.
 * @returns bytes; -1 if it is no base64: a wrong character, no padding, or bits set behind the last byte
 */
export function readBase64(bytes: Uint8Array, from: number, to: number, at: number): number {
  if ((to - from) % 4 !== 0) return -1;
  if (to === from) return 0;
  const last = to - 4;
  let wrong = 0;
  // The last four characters are looked at one by one: padding is no character to the engine.
  const whole = last - from >= long ? last - from - ((last - from) % vector) : 0;
  if (whole > 0 && !readVectors(bytes, from, whole, at)) return -1;
  let out = at + (whole / 4) * 3;
  for (let i = from + whole; i < last; i += 4) {
    const a = values[bytes[i] as number] as number;
    const b = values[bytes[i + 1] as number] as number;
    const c = values[bytes[i + 2] as number] as number;
    const d = values[bytes[i + 3] as number] as number;
    wrong |= a | b | c | d;
    scratch[out] = (a << 2) | (b >> 4);
    scratch[out + 1] = (b << 4) | (c >> 2);
    scratch[out + 2] = (c << 6) | d;
    out += 3;
  }
  const length = decodedLength(bytes, last, to);
  const a = values[bytes[last] as number] as number;
  const b = values[bytes[last + 1] as number] as number;
  const c = length < 2 ? 0 : (values[bytes[last + 2] as number] as number);
  const d = length < 3 ? 0 : (values[bytes[last + 3] as number] as number);
  wrong |= a | b | c | d;
  // Of the last character with a meaning some bits belong to no byte.
  if (length === 1 && (b & 15) !== 0) return -1;
  if (length === 2 && (c & 3) !== 0) return -1;
  if ((wrong & wrongBit) !== 0) return -1;
  scratch[out] = (a << 2) | (b >> 4);
  if (length > 1) scratch[out + 1] = (b << 4) | (c >> 2);
  if (length > 2) scratch[out + 2] = (c << 6) | d;
  return out + length - at;
}

/** @param length characters, whole vectors of them @returns whether all are base64 */
function readVectors(bytes: Uint8Array, from: number, length: number, at: number): boolean {
  const isThere = bytes.buffer === scratch.buffer;
  const { source } = place;
  const start = isThere ? bytes.byteOffset + from : source;
  if (!isThere) scratch.set(bytes.subarray(from, from + length), source);
  engine.wipe(wrongAt, wrongAt + 16);
  engine.unbase64(start, at, start + length, wrongAt);
  if (!isThere) engine.wipe(source, source + length);
  let wrong = 0;
  for (let i = 0; i < 16; i++) wrong |= scratch[wrongAt + i] as number;
  return wrong === 0;
}
