/** A batch becomes stock: the same at both ends, once each has decided so. Pure. */
import type { LinkContext } from "../peer/context.ts";
import type { Batch, LinkBuffer } from "./buffer.ts";

/** What both ends agreed upon. */
export interface Agreed {
  readonly number: number;
  /** SHA-256 over the PROPOSE without its tag, 32 bytes. */
  readonly digest: Buffer;
  /** QKD module IDs, the leader's first. */
  readonly modules: readonly [string, string];
  /** QKD-key IDs, 16 bytes each, in order. */
  readonly ids: Buffer;
  readonly unit: number;
  readonly split: number;
  /** Bytes of all its keys. */
  readonly length: number;
}

/** Its keys leave the buffer with the next transaction; when that is durable it may be allocated from, and is told. */
export function becomeStock(
  { link, books, turn, now, wall, tell }: LinkContext,
  buffer: LinkBuffer,
  { number, digest, modules, ids, unit, split, length }: Agreed,
  keys: Batch,
): void {
  const count = keys.slots.length;
  const facts = { modules, keys: count, unit, at: wall() };
  books.addExtent(number, length, split, digest, facts);
  turn.newExtent({ link, number, length, handles: keys.handles });
  const runs = buffer.runsOf(keys);
  const waited = now() - buffer.sinceOf(keys);
  buffer.remove(keys, ids);
  turn.whenDurable(() => {
    const batch = { modules, unit, split, ids, runs };
    books.stock.openExtent(number);
    tell({ type: "matched", number, keys: count, bytes: length, waited, batch });
  });
}
