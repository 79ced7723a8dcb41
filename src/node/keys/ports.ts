/** What custody needs of the KM's side and of the ledger. Custody owns these; others implement them. */
import type { BlockRef, QkdKey } from "../../port/key.ts";
import type { ModulePair } from "../../port/module.ts";
import type { BlockState } from "./life.ts";

export type { ModulePair } from "../../port/module.ts";

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
   * Names the KM by the first 12 of its 32 hex digits, and this request by the others, which are
   * drawn at random.
   */
  readonly claimant: string;
  /**
   * What the KM calls this request, to be able to repeat it: the same token, number and size within
   * {@link answerKept} are the same request. Undefined: a request of its own.
   */
  readonly token?: string | undefined;
  /** Keys wanted, 1 or more. */
  readonly number: number;
  /** Length of each, bits. */
  readonly size: number;
  /** Keys that fit in the response. */
  readonly most: number;
  /** Ends the sending of its answer at once: the keys were destroyed. Default: it ends by itself. */
  readonly cut?: () => void;
}

/** For so long an answer that has a token can be asked for again, ms. */
export const answerKept = 60_000;

/**
 * How the sending of an answer ended. `sent`: the kernel took all of it, and the connection was still
 * open. `unsent`: not one byte of it was written. `torn`: some of it may have left.
 */
export type Sending = "sent" | "unsent" | "torn";

export interface KeyReply {
  /** `success` or a reason. */
  readonly response: string;
  /** Why not, for a person. */
  readonly text?: string;
  /** Oldest first; valid until the next turn of the event loop. */
  readonly keys: readonly QkdKey[];
  /** They were given to this KM before, for the same request. */
  readonly repeated?: boolean;
  /** Where there are keys, one of these three is to be called, once: see {@link Sending}. */
  readonly sent?: () => void;
  readonly unsent?: () => void;
  readonly torn?: () => void;
}

/** Where KMs ask for one module's keys. */
export interface OnRequestKeys {
  /** Length of a unit, bits: a request's size is that, or divides it. */
  readonly unitBits: number;
  /** Whole units at hand. */
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
  /** What was decided of it; `released` is none that has a record. */
  readonly state: BlockState;
  /** Why it is withheld; undefined where an earlier version did not record that. */
  readonly why: WithheldReason | undefined;
  /** An operator wants it supplied although it is withheld for these. */
  readonly allowed: ReadonlySet<WithheldReason>;
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
  /** Key IDs of those that were sent, and are kept for a repeat of their request. */
  readonly sent: ReadonlySet<string>;
}

/** Claimant of a piece that was cut and is free. */
export const unclaimed = "0".repeat(32);

/** Reason of a quarantine: the answer with this key broke off, so the KM may have it or not. */
export const interrupted = "interrupted";

/** A piece of a block that was given to one KM, for one request of it. */
export interface Assignment {
  /** bits */
  readonly offset: number;
  readonly length: number;
  /** Names the KM and its request, 32 hex digits: a repeat of the request gets the same keys. */
  readonly claimant: string;
}

/** Why a block is withheld from the KM. */
export const withheldReasons = [
  /** Its QBER is above the limit. */
  "qber",
  /** The module gave no QBER, and the gate needs one. */
  "no_qber",
  /** An operator said so. */
  "operator",
  /** What became of it may be among what a damaged ledger lost. */
  "ledger_repaired",
  /** The module had let go of this reference before: its keys were dealt with, whatever they are now. */
  "replayed",
  /** It is too long ago to know whether the module had let go of this reference before. */
  "past_unknown",
] as const;
export type WithheldReason = (typeof withheldReasons)[number];
/** Why a block is kept back as a whole. `damaged`: it can't be read from the module. */
export type KeptBackReason = WithheldReason | "damaged";

/** How a stretch of a link's blocks is cut into keys (Y.3803 calls it formatting). */
export interface KeyFormat {
  /** Length of a key, or of a unit upon request, bits; undefined: as long as a message carries. */
  readonly keyBits: number | undefined;
  /** Whether keys wait until they are asked for. */
  readonly onRequest: boolean;
}

/** How a stretch is cut, and whose its keys may be. */
export interface StretchFormat extends KeyFormat {
  /** The one KM that keys may be written to without a record of each; 32 hex digits. */
  readonly claimant: string | undefined;
}

export type LedgerEntry =
  /** Blocks up to `ref`, as far as none was recorded before, are cut like this from now on. */
  | ({ readonly kind: "cut"; readonly ref: BlockRef } & StretchFormat)
  /** Keys of the blocks from this number up to `ref` may be written to this KM without a record of each. */
  | {
      readonly kind: "claimed";
      readonly ref: BlockRef;
      readonly from: number;
      readonly claimant: string;
    }
  /** No key of a block of this epoch behind `ref` was ever taken up: no KM can have one. */
  | { readonly kind: "untouched"; readonly ref: BlockRef }
  /** An operator's word: what was written to this KM and not confirmed, it does not have. */
  | { readonly kind: "freed"; readonly claimant: string }
  /** These bits are given for one request of one KM, and for no other unless they are returned. */
  | ({ readonly kind: "assigned"; readonly ref: BlockRef; readonly keyId: string } & Assignment)
  /** It left, and is kept for a repeat of its request. */
  | { readonly kind: "sent"; readonly ref: BlockRef; readonly keyId: string }
  /** It never left, and is free again. */
  | { readonly kind: "returned"; readonly ref: BlockRef; readonly keyId: string }
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
  | { readonly kind: "withheld"; readonly ref: BlockRef; readonly reason?: WithheldReason }
  | { readonly kind: "damaged"; readonly ref: BlockRef }
  /** An operator gave up a key that was in quarantine, or (undefined) a whole block. */
  | { readonly kind: "discarded"; readonly ref: BlockRef; readonly keyId: string | undefined }
  /**
   * An operator wants a key in quarantine supplied again, or (undefined) a block that is kept back for
   * this reason and no other; without a reason, as earlier versions wrote it, all that is left of it.
   */
  | {
      readonly kind: "reinstated";
      readonly ref: BlockRef;
      readonly keyId: string | undefined;
      readonly reason?: KeptBackReason;
    }
  /** What became of blocks up to `ref` may have been lost: they are withheld. */
  | { readonly kind: "doubtful"; readonly ref: BlockRef }
  /** What became of any block that the module holds now may have been lost: they are withheld. */
  | { readonly kind: "repaired" }
  /** Which blocks that was is recorded: others, and those that come from now on, are not doubtful. */
  | { readonly kind: "doubt_over" }
  /** An operator's word: no block is doubtful any more. */
  | { readonly kind: "trusted" }
  /** The module let go of the block: nothing about it needs to be known any more but that. */
  | { readonly kind: "released"; readonly ref: BlockRef }
  /** The module let go of the blocks from this number up to `ref`. */
  | { readonly kind: "past"; readonly ref: BlockRef; readonly from: number }
  /** Of blocks up to `ref` it is not known one by one any more which ones the module let go of. */
  | { readonly kind: "forgotten"; readonly ref: BlockRef }
  /** A part of a module pair's names, for the entries that name a pair by its `id`. */
  | { readonly kind: "name"; readonly id: string; readonly part: number; readonly hex: string }
  /** The ledger is that of this pair's first module from now on. */
  | { readonly kind: "module"; readonly id: string }
  /** The blocks of this epoch are those of this pair, for ever: their key IDs follow from it. */
  | { readonly kind: "paired"; readonly ref: BlockRef; readonly id: string };

/** Append-only record of what became of keys: never their bytes. */
export interface Ledger {
  /** Defined while entries can't be made durable. */
  readonly failure: Error | undefined;
  /** Has `listener` called each time the ledger fails that did not before. One listener. */
  watch(listener: (failure: Error) => void): void;
  /** Sees whether its file is there still, soon: `failure` tells if not. */
  look(): void;
  /** Tries again to write what could not be written; `failure` tells how it went. Never rejects. */
  recover(): Promise<void>;
  get(block: string): BlockRecord | undefined;
  blocks(): Iterable<BlockRecord>;
  /** The module that the ledger is of; undefined until the first one was seen. */
  readonly module: ModulePair | undefined;
  /** The entries that name a pair; none if it was named before. */
  namingOf(pair: ModulePair): readonly LedgerEntry[];
  /** Whose the epoch's blocks are; undefined if none was taken up yet. */
  pairOf(epoch: string): ModulePair | undefined;
  /** How a block was cut, or is to be; undefined if none of its stretch was taken up yet. */
  keyFormatOf(ref: BlockRef): KeyFormat | undefined;
  /** The KM that keys of this block may have been written to without a record of each. */
  claimantOf(ref: BlockRef): string | undefined;
  /** The last block of the epoch with such a KM. */
  claimEnd(epoch: string): number | undefined;
  /** Whether blocks that the module holds since before a repair are not yet told from newer ones. */
  readonly isRepaired: boolean;
  /** Whether it was repaired and no operator has decided about all that this left open. */
  readonly wasRepaired: boolean;
  /** Whether any block was ever cut for keys upon request. */
  readonly anyOnRequest: boolean;
  /** Whether the module was seen to let go of this block; `unknown` where that was forgotten. */
  isPast(ref: BlockRef): boolean | "unknown";
  /** Whether what is recorded of this block may be less than what happened to it. */
  isDoubtful(ref: BlockRef): boolean;
  /** How much is recorded: blocks not yet let go of, and epochs. */
  readonly size: { readonly blocks: number; readonly epochs: number };
  /** Records an entry: at once for `get`, soon on disk. */
  append(entry: LedgerEntry): void;
  /** Calls `then` once everything appended so far is on disk; after a failure, once it recovered. */
  whenDurable(then: () => void): void;
}
