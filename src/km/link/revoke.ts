/**
 * Keys that may be known to others are given up on an operator's order (Y.3803 §8.2.6): what is free of their
 * extents is void at both ends, what waits for a match leaves the buffer. Nothing that is bound is touched. Pure.
 */
import { cameIn, type Period } from "../keys/origin.ts";
import type { LinkBuffer } from "../matching/buffer.ts";
import type { LinkContext } from "../peer/context.ts";
import { bytesOf } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";
import { noOffer } from "../store/shapes.ts";
import { drawKsaId } from "../supply/ksa-id.ts";
import type { Owner } from "../supply/owner.ts";
import type { Peer } from "../supply/peer.ts";

/** Ranges of one VOID, and IDs of one ABORT. */
const mostRanges = 1_000;
const mostIds = 2_048;

/** What an order did. */
export interface Revoked {
  /** Extents that had free bytes, and those bytes. */
  readonly extents: number;
  readonly bytes: number;
}

/**
 * Makes void what is free of these extents, whichever end owns it, and keys that were prepared for no
 * application yet. The other end is told until it has done the same.
 */
export function revokeExtents(
  context: LinkContext,
  { owner, peer }: { readonly owner: Owner; readonly peer: Peer },
  numbers: ReadonlySet<number>,
): Revoked {
  const { books } = context;
  const isOf = ({ ranges }: Use) => ranges.some(({ extent }) => numbers.has(extent));
  for (const use of [...books.uses.values()]) {
    if (!isOf(use)) continue;
    if (use.owner && use.state === "P") {
      books.step(use, "void");
      forget(context, owner, use);
    } else if (!use.owner && use.request === undefined) {
      for (const key of books.part(use)) if (isOf(key)) peer.settle(key, "V");
    }
  }
  let extents = 0;
  let bytes = 0;
  for (const number of numbers) {
    const free = (books.stock.extent(number)?.regions ?? [])
      .filter(({ mark, end }) => mark < end)
      .map(({ mark, end }) => ({ extent: number, start: mark, end }));
    if (free.length > 0) extents++;
    for (let at = 0; at < free.length; at += mostRanges) {
      const ranges = free.slice(at, at + mostRanges);
      const use: Use = {
        id: drawKsaId(context.random),
        count: 1,
        offer: noOffer,
        owner: true,
        ranges,
        state: "V",
        fate: undefined,
        had: 0,
        request: undefined,
        assigned: false,
        number: 0,
        pickUp: 0,
      };
      books.addUses([use]);
      bytes += bytesOf(ranges);
      forget(context, owner, use);
    }
  }
  context.turn.changed();
  return { extents, bytes };
}

function forget({ store, link, turn }: LinkContext, owner: Owner, use: Use): void {
  store.forget(link, use.ranges);
  turn.whenDurable(() => owner.sendVoid(use));
}

/**
 * Drops QKD-keys of a period that wait for a match and are in no batch. The leader tells the follower which;
 * keys that the follower dropped expire at the leader.
 * @returns keys that were dropped, and those that are in a batch: what they become is an extent soon, or free again
 */
export function revokeBuffered(
  context: LinkContext,
  buffer: LinkBuffer,
  period: Period,
): { readonly dropped: number; readonly inBatch: number } {
  const gone: number[] = [];
  let inBatch = 0;
  for (const { slot, origin, isInBatch } of buffer.all()) {
    if (!cameIn(origin, period)) continue;
    if (isInBatch) inBatch++;
    else gone.push(slot);
  }
  const { turn, books } = context;
  for (let at = 0; at < gone.length; at += mostIds) {
    const keys = buffer.batchOf(gone.slice(at, at + mostIds));
    const ids = buffer.idsOf(keys);
    const runs = buffer.runsOf(keys);
    buffer.remove(keys, ids);
    turn.drop(keys.handles);
    turn.told({ type: "dropped", reason: "order", ids, runs });
    if (books.side === 0) {
      turn.whenDurable(() => context.send({ type: "abort", number: 0, void: ids }));
    }
  }
  return { dropped: gone.length, inBatch };
}
