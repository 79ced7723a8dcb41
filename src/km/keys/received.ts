/** A QKD-key as a module's node handed it over (Kq-1 Table 1; Y.3803 Table 1, item 1). */

export interface ReceivedKey {
  /** QKD-key ID: the 16 bytes of its UUID. */
  readonly id: Uint8Array;
  /** Length in bits; the bytes hold it, padded with zero bits on the right. */
  readonly bits: number;
  /** ms since 1970 UTC; missing if the module has no clock. */
  readonly generatedAt?: number;
  /** Quantum bit error ratio, 0 to 1. */
  readonly qber?: number;
  /** The key's bytes, outside of the JavaScript heap; the store copies them, the caller wipes them. */
  readonly bytes: Uint8Array;
}

/** Whole bytes of a key: bits beyond the last whole byte are not used. */
export function wholeBytes(bits: number): number {
  return Math.floor(bits / 8);
}
