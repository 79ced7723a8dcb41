/**
 * How a block is cut into QKD-keys. The rule depends only on the block's length and on the
 * configured key length, so both ends of a link, configured alike, cut at the same places:
 * from the first bit on, keys of `keyBits`; what remains at the end becomes one shorter key.
 */

/**
 * The longest key, in bits, that fits a Kq-1 message of 65,535 bytes (Annex A) as base64, together
 * with the other members at their longest.
 */
export const longestKeyBits = 376_000;

/** Length of all keys of a block but the last, bits. @param keyBits undefined: as long as Kq-1 carries */
export function longestSlice(keyBits: number | undefined): number {
  return Math.min(keyBits ?? longestKeyBits, longestKeyBits);
}

/** How many keys so many bits are. */
export function sliceCount(bits: number, keyBits: number | undefined): number {
  return Math.ceil(bits / longestSlice(keyBits));
}
