/**
 * Base64 (RFC 4648 §4, with padding) from bytes to bytes. A key never passes through a JS string,
 * which could not be wiped.
 */
import { engine, place, scratch } from "./engine.ts";

const alphabet = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const padding = 0x3d;
/** From this many bytes on the engine is quicker, though it has to copy. */
const long = 96;
/** Bytes that the engine takes at once: a multiple of 3, so that only the last piece has padding. */
const piece = 49_152;

/** Characters that `length` bytes become. */
export function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}

/**
 * Writes the base64 of `source` into `target` from `at` on.
 * @returns the offset after the last character
 */
export function writeBase64(source: Uint8Array, target: Uint8Array, at: number): number {
  let done = 0;
  let out = at;
  while (source.length - done >= long) {
    const left = source.length - done;
    const length = Math.min(left - (left % 3), piece);
    out = writeWhole(source.subarray(done, done + length), target, out);
    done += length;
  }
  return writeShort(source, done, source.length, target, out);
}

/** @param source a multiple of 3 bytes */
function writeWhole(source: Uint8Array, target: Uint8Array, at: number): number {
  const { source: from, result } = place;
  const length = (source.length / 3) * 4;
  scratch.set(source, from);
  const end = from + source.length;
  // Into the engine's own memory at once, where the vectors' overhang has room.
  if (target.buffer === scratch.buffer && at + length + 16 <= target.length) {
    engine.base64(from, target.byteOffset + at, end);
  } else {
    engine.base64(from, result, end);
    target.set(scratch.subarray(result, result + length), at);
    engine.wipe(result, result + length + 16);
  }
  engine.wipe(from, end);
  return at + length;
}

/** Writes `source[from, to)`, a few bytes. @returns the offset after the last character */
export function writeShort(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  at: number,
): number {
  const whole = to - ((to - from) % 3);
  let out = at;
  for (let i = from; i < whole; i += 3) {
    const a = source[i] as number;
    const b = source[i + 1] as number;
    const c = source[i + 2] as number;
    target[out] = alphabet[a >> 2] as number;
    target[out + 1] = alphabet[((a & 3) << 4) | (b >> 4)] as number;
    target[out + 2] = alphabet[((b & 15) << 2) | (c >> 6)] as number;
    target[out + 3] = alphabet[c & 63] as number;
    out += 4;
  }
  if (whole === to) return out;
  const two = whole + 1 < to;
  const a = source[whole] as number;
  const b = two ? (source[whole + 1] as number) : 0;
  target[out] = alphabet[a >> 2] as number;
  target[out + 1] = alphabet[((a & 3) << 4) | (b >> 4)] as number;
  target[out + 2] = two ? (alphabet[(b & 15) << 2] as number) : padding;
  target[out + 3] = padding;
  return out + 4;
}
