/** What custody needs of the KM's side and of the ledger. Custody owns these; others implement them. */
import type { BlockRef, QkdKey } from "../port/key.ts";

/** One connection to a KM, used once. Answers come to {@link KmSink}. */
export interface KmLink {
  /** How many more keys may be outstanding now. */
  readonly room: number;
  /**
   * Supplies a key. It may be supplied again under the same ID on this or another link; the bytes
   * are read within this call.
   * @throws Fault `kq1.message` if the key can't be put into a message; the link goes on
   */
  supply(key: QkdKey): void;
}

export interface KmSink {
  /** The KM answered for a key: `success` or a reason of Kq-1 Table 2. */
  answered(keyId: string, response: string): void;
}

/** What is recorded of a block that the module was not yet seen to release. */
export interface BlockRecord {
  readonly ref: BlockRef;
  /** Every key of it is with the KM. */
  readonly complete: boolean;
  readonly withheld: boolean;
  /** The block can't be read from the module undamaged. */
  readonly damaged: boolean;
  /** Key IDs that the KM has. */
  readonly delivered: ReadonlySet<string>;
  /** Key IDs that the KM refused, with its reason. */
  readonly quarantined: ReadonlyMap<string, string>;
}

export type LedgerEntry =
  /** The KM has this key. */
  | { readonly kind: "delivered"; readonly ref: BlockRef; readonly keyId: string }
  /** The KM has every key of the block. */
  | { readonly kind: "complete"; readonly ref: BlockRef }
  | {
      readonly kind: "quarantined";
      readonly ref: BlockRef;
      readonly keyId: string;
      readonly reason: string;
    }
  | { readonly kind: "withheld" | "damaged"; readonly ref: BlockRef }
  /** The module let go of the block: nothing about it needs to be known any more. */
  | { readonly kind: "released"; readonly ref: BlockRef };

/** Append-only record of what became of keys: never their bytes. */
export interface Ledger {
  /** Defined while entries can't be made durable. */
  readonly failure: Error | undefined;
  /** Has `listener` called each time the ledger fails that did not before. One listener. */
  watch(listener: (failure: Error) => void): void;
  /** Tries again to write what could not be written; `failure` tells how it went. Never rejects. */
  recover(): Promise<void>;
  get(block: string): BlockRecord | undefined;
  blocks(): Iterable<BlockRecord>;
  /** Records an entry: at once for `get`, soon on disk. */
  append(entry: LedgerEntry): void;
  /** Calls `then` once everything appended so far is on disk; after a failure, once it recovered. */
  whenDurable(then: () => void): void;
}
