/** Base64 (RFC 4648 §4) from bytes to bytes: a key must never become a string. */

const values = new Int8Array(256).fill(-1);
for (const [value, character] of [
  ..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
].entries()) {
  values[character.charCodeAt(0)] = value;
}

const equalsSign = 0x3d;

/**
 * Decodes into memory of its own, outside the allocator's pool.
 * @returns undefined unless `text` is the one right encoding: the standard alphabet, padded, nothing
 *   else in it, and the bits that the padding leaves over zero
 */
export function decodeBase64(text: Uint8Array): Uint8Array | undefined {
  const length = text.length;
  if (length % 4 !== 0) return undefined;
  let padding = 0;
  while (padding < 2 && text[length - 1 - padding] === equalsSign) padding++;

  const out = new Uint8Array((length / 4) * 3 - padding);
  const digits = length - padding;
  let bits = 0;
  let held = 0;
  let to = 0;
  let wrong = 0;
  for (let i = 0; i < digits; i++) {
    const value = values[text[i] as number] as number;
    wrong |= value;
    held = ((held << 6) | value) & 0xffff;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out[to++] = held >>> bits;
    }
  }
  // `wrong` is negative when any value was; `held` ends in the bits that made no byte.
  if (wrong < 0 || (held & ((1 << bits) - 1)) !== 0) {
    out.fill(0);
    return undefined;
  }
  return out;
}
