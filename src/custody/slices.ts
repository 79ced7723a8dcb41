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

export interface Slice {
  /** in bits, a multiple of 8 */
  readonly offset: number;
  /** in bits; only the last slice's need not be a multiple of 8 */
  readonly length: number;
}

/** Length of all slices but the last, bits. @param keyBits undefined: as long as Kq-1 carries */
function longestSlice(keyBits: number | undefined): number {
  return Math.min(keyBits ?? longestKeyBits, longestKeyBits);
}

/**
 * @param bits length of the block
 * @param keyBits wanted key length, a multiple of 8
 */
export function* slices(bits: number, keyBits: number | undefined): Generator<Slice, void> {
  const step = longestSlice(keyBits);
  for (let offset = 0; offset < bits; offset += step) {
    yield { offset, length: Math.min(step, bits - offset) };
  }
}

/** How many {@link slices} there are. */
export function sliceCount(bits: number, keyBits: number | undefined): number {
  return Math.ceil(bits / longestSlice(keyBits));
}
