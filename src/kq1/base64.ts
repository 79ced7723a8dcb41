/**
 * Base64 (RFC 4648 §4, with padding) from bytes to bytes. A key never passes through a JS string,
 * which could not be wiped.
 */

const alphabet = Buffer.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
const padding = 0x3d;

/** Both characters of each 12-bit group; one look-up instead of two shifts and two look-ups. */
const first = new Uint8Array(4096);
const second = new Uint8Array(4096);
for (let i = 0; i < 4096; i++) {
  first[i] = alphabet[i >> 6] as number;
  second[i] = alphabet[i & 63] as number;
}

/** Characters that `length` bytes become. */
export function base64Length(length: number): number {
  return Math.ceil(length / 3) * 4;
}

/**
 * Writes the base64 of `source` into `target` from `at` on.
 * @returns the offset after the last character
 */
export function writeBase64(source: Uint8Array, target: Uint8Array, at: number): number {
  const whole = source.length - (source.length % 3);
  let out = at;
  for (let i = 0; i < whole; i += 3) {
    const a = source[i] as number;
    const b = source[i + 1] as number;
    const c = source[i + 2] as number;
    const high = (a << 4) | (b >> 4);
    const low = ((b & 15) << 8) | c;
    target[out] = first[high] as number;
    target[out + 1] = second[high] as number;
    target[out + 2] = first[low] as number;
    target[out + 3] = second[low] as number;
    out += 4;
  }
  if (whole === source.length) return out;
  const a = source[whole] as number;
  const b = source[whole + 1] ?? 0;
  const high = (a << 4) | (b >> 4);
  target[out] = first[high] as number;
  target[out + 1] = second[high] as number;
  target[out + 2] = whole + 1 < source.length ? (alphabet[(b & 15) << 2] as number) : padding;
  target[out + 3] = padding;
  return out + 4;
}
