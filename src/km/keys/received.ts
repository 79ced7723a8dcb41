/** QKD-keys as a module's node handed them over (Kq-1 Table 1; Y.3803 Table 1, item 1): many at a time, in columns. */

/** Keys of one module that came together. */
export interface ReceivedKeys {
  readonly count: number;
  /** QKD-key IDs: the 16 bytes of each UUID. */
  readonly ids: Uint8Array;
  /** Length of each in bits. */
  readonly bits: Uint32Array;
  /** ms since 1970 UTC; NaN if the module has no clock. */
  readonly generatedAt: Float64Array;
  /** Quantum bit error ratio, 0 to 1; NaN if it is not told. */
  readonly qber: Float64Array;
  /** The whole bytes of each, outside of the JavaScript heap; the store copies them, the caller wipes them. */
  readonly bytes: Uint8Array;
}

/** Whole bytes of a key: bits beyond the last whole byte are not used. */
export function wholeBytes(bits: number): number {
  return Math.floor(bits / 8);
}
