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
  /**
   * No key may leave any more. Ends the connection if it still has one to write; what was written
   * is answered as always.
   */
  halt?(): void;
}

/** A KM asks for keys (Kq-1 §8.2.1, Table 3). */
export interface KeyRequest {
  /**
   * Names the KM by the first 12 of its 32 hex digits, and this request of it by the others: the
   * same again is a repeat.
   */
  readonly slot: string;
  /** Keys wanted, 1 or more. */
  readonly number: number;
  /** Length of each, bits. */
  readonly size: number;
  /** Keys that fit in the response. */
  readonly most: number;
  /** Whether the KM has a way to ask for this answer again. */
  readonly repeatable: boolean;
}

export interface KeyReply {
  /** `success` or a reason. */
  readonly response: string;
  /** Oldest first; valid until the next turn of the event loop. */
  readonly keys: readonly QkdKey[];
  /** To be called once the keys were put into a message that nobody can ask for again. */
  readonly sent?: () => void;
}

/** Where KMs ask for one module's keys. */
export interface KeyDesk {
  /** Length of a unit, bits: a request's size is that, or divides it. */
  readonly unitBits: number;
  /** Units at hand that nobody has asked for. */
  readonly stored: number;
  /** Never rejects; the answer is on disk when it resolves. */
  request(request: KeyRequest): Promise<KeyReply>;
}

export interface KmSink {
  /** The KM answered for a key that it was supplied with: `success` or a reason of Kq-1 Table 2. */
  answered(key: QkdKey, response: string): void;
}

/** What is recorded of a block that the module was not yet seen to release. */
export interface BlockRecord {
  readonly ref: BlockRef;
  /** Every key of it is with the KM. */
  readonly complete: boolean;
  readonly withheld: boolean;
  /** The block can't be read from the module undamaged. */
  readonly damaged: boolean;
  /** An operator gave the block up: the module is to destroy it. */
  readonly discarded: boolean;
  /** An operator wants it supplied, whatever its QBER. */
  readonly allowed: boolean;
  /** The KM has the keys of the block's first bits, so many. */
  readonly deliveredBits: number;
  /** Key IDs that the KM has beside these. */
  readonly delivered: ReadonlySet<string>;
  /** Key IDs that the KM refused, with its reason. */
  readonly quarantined: ReadonlyMap<string, string>;
  /** Key IDs that an operator gave up. */
  readonly gone: ReadonlySet<string>;
  /** Pieces that were given away upon request, by key ID, in their order. */
  readonly assigned: ReadonlyMap<string, Assignment>;
}

/** A piece of a block that was given to one KM, for one request of it. */
export interface Assignment {
  /** bits */
  readonly offset: number;
  readonly length: number;
  /** Names the KM and its request, 32 hex digits: a repeat of the request gets the same keys. */
  readonly slot: string;
}

/** How a stretch of a link's blocks is cut, and whose its keys may be. */
export interface Cut {
  /** Length of a key, or of a unit upon request, bits; undefined: as long as a message carries. */
  readonly keyBits: number | undefined;
  /** Whether keys wait until they are asked for. */
  readonly onRequest: boolean;
  /** The one KM that keys may have been written to without a record of each; 32 hex digits. */
  readonly slot: string | undefined;
}

export type LedgerEntry =
  /** Blocks up to `ref`, as far as none was recorded before, are cut like this from now on. */
  | ({ readonly kind: "cut"; readonly ref: BlockRef } & Cut)
  /** An operator's word: what was written to this KM and not confirmed, it does not have. */
  | { readonly kind: "freed"; readonly slot: string }
  /** These bits belong to one request of one KM now, and to nobody else ever. */
  | ({ readonly kind: "assigned"; readonly ref: BlockRef; readonly keyId: string } & Assignment)
  /** The KM has this key. */
  | { readonly kind: "delivered"; readonly ref: BlockRef; readonly keyId: string }
  /** The KM has the keys of the block's first bits, so many. */
  | { readonly kind: "delivered_to"; readonly ref: BlockRef; readonly bits: number }
  /** The KM has every key of the block. */
  | { readonly kind: "complete"; readonly ref: BlockRef }
  | {
      readonly kind: "quarantined";
      readonly ref: BlockRef;
      readonly keyId: string;
      readonly reason: string;
    }
  | { readonly kind: "withheld" | "damaged"; readonly ref: BlockRef }
  /** An operator gave up a key that was in quarantine, or (undefined) a whole block. */
  | { readonly kind: "discarded"; readonly ref: BlockRef; readonly keyId: string | undefined }
  /** An operator wants a key in quarantine supplied again, or (undefined) all that is left of a block. */
  | { readonly kind: "reinstated"; readonly ref: BlockRef; readonly keyId: string | undefined }
  /** What became of blocks up to `ref` may have been lost: they are withheld. */
  | { readonly kind: "doubtful"; readonly ref: BlockRef }
  /** The module let go of the block: nothing about it needs to be known any more but that. */
  | { readonly kind: "released"; readonly ref: BlockRef }
  /** The module let go of the blocks from this number up to `ref`. */
  | { readonly kind: "past"; readonly ref: BlockRef; readonly from: number };

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
  /** How a block was cut, or is to be; undefined if none of its stretch was taken up yet. */
  cutOf(ref: BlockRef): Cut | undefined;
  /** Whether blocks were ever kept for whoever asks. */
  readonly anyOnRequest: boolean;
  /** Whether the module was seen to let go of this block. */
  isPast(ref: BlockRef): boolean;
  /** Whether what is recorded of this block may be less than what happened to it. */
  isDoubtful(ref: BlockRef): boolean;
  /** Records an entry: at once for `get`, soon on disk. */
  append(entry: LedgerEntry): void;
  /** Calls `then` once everything appended so far is on disk; after a failure, once it recovered. */
  whenDurable(then: () => void): void;
}
