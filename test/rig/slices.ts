/** Where a block is cut, by the rule as it is told (src/node/custody/slices.ts) and not by the code that cuts. */

/** Longest key of a Kq-1 message here, bits. */
const longest = 376_000;

export interface Slice {
  /** bits */
  readonly offset: number;
  readonly length: number;
}

/** @param keyBits wanted length of a key, bits; undefined: as long as a message carries */
export function slices(bits: number, keyBits: number | undefined): Slice[] {
  const step = Math.min(keyBits ?? longest, longest);
  return Array.from({ length: Math.ceil(bits / step) }, (_, i) => {
    const offset = i * step;
    return { offset, length: Math.min(step, bits - offset) };
  });
}
