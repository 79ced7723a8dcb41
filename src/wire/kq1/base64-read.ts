/** Base64 (RFC 4648 §4, with padding) read from bytes into the engine's memory: a key never is a JS string. */
import { scratch } from "./engine.ts";

const padding = 0x3d;
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
  let out = at;
  for (let i = from; i < last; i += 4) {
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
