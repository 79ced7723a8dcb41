/**
 * Key that a driver keeps on the node's disk by itself, encrypted, before it is a block: of modules that
 * hand it over once, where both ends must have it first. The node makes one of `[module.spool]` and gives it
 * to a driver whose kind asks for it.
 */
import type { BlockRef } from "./key.ts";

/** Key bytes, and what the driver wrote beside them. */
export interface KeptBatch {
  /** JSON; authenticated with the key. */
  readonly facts: unknown;
  /** Memory that the caller wipes. */
  readonly key: Buffer;
}

export interface BatchSpool {
  /** Batches by the reference of their first block, in the order in which they were first put. */
  list(): readonly BlockRef[];
  /** Bytes that fit in. */
  readonly room: number;
  /**
   * Keeps a batch; it is on disk when this resolves. One of the same reference is replaced, and stays in its
   * place.
   * @param facts JSON of 128 KiB at most
   * @param key stays the caller's; empty where nothing but the facts is to be kept
   * @throws Fault `state.io`; what was there before is there still, or this is
   */
  put(first: BlockRef, facts: unknown, key: Uint8Array): Promise<void>;
  /**
   * @returns undefined if it is not there
   * @throws Fault `state.corrupt` if it is damaged, or the spool's key is another; `state.io`
   */
  get(first: BlockRef): Promise<KeptBatch | undefined>;
  /** Forgets a batch. A power cut may bring it back. @throws Fault `state.io` */
  remove(first: BlockRef): Promise<void>;
  /** Destroys all of it, also what cannot be read. @throws Fault `state.io` if anything may be left */
  zeroize(): Promise<void>;
}
