/**
 * What the key manager wants of its store: the bytes of keys, and rows of the books, made durable together.
 * The protocol (`link.ts`) never has a key byte in its hands: it names keys by handles and ranges, and the
 * store computes keyed hashes of them. One engine is here (`../io/engine/`), another can be written to this file.
 */
import type { Range } from "../../wire/kx/messages.ts";
import type { ReceivedKeys } from "../keys/received.ts";
import type { BufferedKeys, Handle, Handles } from "./buffered.ts";

export type { Handle, Handles } from "./buffered.ts";

/** Kinds of rows, numbered for ever. */
export const rowKind = { store: 0, link: 1, batch: 2, extent: 3, use: 4, module: 5 } as const;

export type RowKind = keyof typeof rowKind;

/** A row of the books; the engine does not look into it. No key byte is ever in one. */
export interface Row {
  readonly kind: RowKind;
  /** Name of the link in the configuration; "" for what is of no link. */
  readonly link: string;
  /** Unique for its kind and link: at most 64 bytes. */
  readonly key: string;
  /** Undefined: the row is deleted. At most 256 KiB. */
  readonly value: Buffer | undefined;
}

/** Buffered QKD-keys that become an extent: their whole bytes, in this order, one after the other. */
export interface NewExtent {
  readonly link: string;
  readonly number: number;
  readonly length: number;
  readonly handles: Handles;
}

/** What becomes durable as one: all of it, or nothing. */
export interface Change {
  readonly rows?: readonly Row[];
  readonly extents?: readonly NewExtent[];
  /** QKD-keys that leave the buffer without a use: expired, void, or the other end's bytes differ. */
  readonly dropped?: readonly Handle[];
  /** Nothing waits for it to be durable: it may share a sync with what comes a moment later. */
  readonly canWait?: boolean;
  /** Extents of which no byte is needed any more. */
  readonly gone?: readonly { readonly link: string; readonly number: number }[];
}

/** What a store had on its disk. */
export interface Loaded {
  readonly rows: readonly Row[];
  /** In the order in which they came. */
  readonly buffered: readonly BufferedKeys[];
  /** Extents that are there, whole: those of which a row tells and no others, or the store is damaged. */
  readonly extents: readonly {
    readonly link: string;
    readonly number: number;
    readonly length: number;
  }[];
}

/** Why a store does not take keys now. */
export type Fullness = "full" | undefined;

/** Sizes of a store, for limits, status and metrics. */
export interface StoreUse {
  readonly bufferedKeys: number;
  readonly bufferedBytes: number;
  /** Bytes that its files take. */
  readonly diskBytes: number;
  readonly limitBytes: number;
}

/** What only a keyed hash may be computed over: 16 bytes that both KMs of a session have, and 12 that are used once. */
export interface TagKey {
  readonly key: Buffer;
  readonly nonce: Buffer;
  /** Then it is a one-time MAC (Poly1305) over this and the bytes, under a key of 32 bytes; the nonce has no part in it. */
  readonly text?: Buffer;
}

/**
 * A store. All calls of `commit` take effect in the order in which they are made, and so do those of `put`; their
 * callbacks too. Of a `put` and a `commit` either may be durable first. A callback never runs before the call has returned. When a write fails, nothing is called back
 * any more: the store tells its owner (`onFailure`, given when it was opened), and the process ends: what
 * is on the disk is right, what is in memory is not any more.
 */
export interface KeyStore {
  /**
   * Stores QKD-keys that came from a module. Bytes are copied before it returns.
   * @param done when they are durable, in the order of `keys`; undefined if the disk is full: none of them is there
   */
  put(module: string, keys: ReceivedKeys, done: (stored: BufferedKeys | undefined) => void): void;
  /** Keys that come now are waited for: they are durable soon, and few more are gathered. */
  hurry(): void;
  /** @param done when all of it is durable, with every commit before it */
  commit(change: Change, done?: () => void): void;
  /** Whether new keys would leave no room for the books. */
  full(): Fullness;
  use(): StoreUse;
  /**
   * Keyed hash (GMAC, or a one-time MAC; 16 bytes) over the whole bytes of these keys, one after the other. The keys may
   * have to be read from the disk first.
   * @param done undefined if a handle is not in the buffer any more
   */
  tagBuffered(handles: Handles, key: TagKey, done: (tag: Buffer | undefined) => void): void;
  /**
   * The same over ranges of extents that are durable. Hashes may be given in another order than they were asked for.
   * Undefined if one of the ranges is not there.
   */
  tagRanges(
    link: string,
    ranges: readonly Range[],
    key: TagKey,
    done: (tag: Buffer | undefined) => void,
  ): void;
  /** Whether buffered bytes are these: a repeat of a QKD-key, or another key under its ID. In constant time. */
  equals(handle: Handle, bytes: Uint8Array, done: (equal: boolean) => void): void;
  /**
   * The bytes of ranges, one after the other, outside of the JavaScript heap: the caller wipes them.
   * Undefined if one of them is not there.
   */
  read(link: string, ranges: readonly Range[], done: (bytes: Buffer | undefined) => void): void;
  /**
   * These bytes are not needed any more, and that is durable: within the stated window no file of the
   * store gives them back, not even with the master key in hand. After a start the owner of the books
   * says so again for all that is used.
   */
  forget(link: string, ranges: readonly Range[]): void;
  /** Waits for what was committed, and closes. */
  close(): Promise<void>;
}
