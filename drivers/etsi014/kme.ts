/** A KME as the two ends see it: whatever its dialect is, this is what comes of a request. */

export interface KmeKey {
  /** UUID in lower case. */
  readonly id: string;
  /** Memory of its own, which is wiped by who uses it. */
  readonly bytes: Buffer;
}

export interface KmeStatus {
  /** Keys that it has for us. */
  readonly stored: number;
  /** Keys of a request. */
  readonly maxPerRequest: number;
  /** Bits of a key. */
  readonly keySize: number;
  readonly minKeySize: number;
  readonly maxKeySize: number;
}

/** What came of asking for keys. */
export type Asked =
  | { readonly kind: "keys"; readonly keys: readonly KmeKey[] }
  /** Another time; `ms` if it says when. */
  | { readonly kind: "later"; readonly ms?: number }
  /** By ID alone: one or more of them are not there. */
  | { readonly kind: "unknown" }
  /** No answer, or half of one: it may have handed keys over, and will not do so again. */
  | { readonly kind: "unanswered" };

export interface Kme {
  /**
   * @returns undefined if it did not say, this time
   * @throws Fault `link.closed` if it cannot be reached any more, `kme.refused`, `kme.answer`
   */
  status(): Promise<KmeStatus | undefined>;
  /** New keys (enc_keys); never `unknown`. @throws as `status` */
  take(number: number): Promise<Asked>;
  /** Those keys (dec_keys). @throws as `status` */
  fetch(ids: readonly string[]): Promise<Asked>;
}
