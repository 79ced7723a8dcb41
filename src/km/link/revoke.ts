/**
 * Keys that may be known to others are given up on an operator's order (Y.3803 §8.2.6): what is free of their
 * extents is void at both ends, what waits for a match leaves the buffer. Nothing that is bound is touched. Pure.
 */
import type { Origin } from "../keys/origin.ts";
import type { LinkBuffer } from "../matching/buffer.ts";
import type { LinkContext } from "../peer/context.ts";
import { isFinal } from "../store/life.ts";
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
  /** Extents that had free bytes, or keys for no application, and those bytes. */
  readonly extents: number;
  readonly bytes: number;
  /** Keys for no application that are being offered: the order has to be given again when that is over. */
  readonly offered: number;
}

/** QKD-keys that wait for a match, of which some are given up. */
export interface WaitingChoice {
  /** @param id 16 bytes */
  has(id: Buffer, origin: Origin): boolean;
}

/** It is prepared, here or by the other end, and no application may have it yet. */
function isForNobody({ request, state }: Use): boolean {
  return request === undefined && !isFinal(state);
}

/** Extents with keys that are prepared for no application. */
export function preparedOf(uses: Iterable<Use>): Set<number> {
  const extents = new Set<number>();
  for (const use of uses) {
    if (isForNobody(use)) for (const { extent } of use.ranges) extents.add(extent);
  }
  return extents;
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
  const touched = new Set<number>();
  let offered = 0;
  let bytes = 0;
  const gone = ({ ranges }: Use) => {
    for (const { extent } of ranges) if (numbers.has(extent)) touched.add(extent);
    bytes += bytesOf(ranges);
  };
  for (const use of [...books.uses.values()]) {
    if (!isOf(use) || !isForNobody(use)) continue;
    if (use.owner && use.state === "P") {
      gone(use);
      books.step(use, "void");
      forget(context, owner, use);
    } else if (use.owner) {
      offered += use.count;
    } else {
      for (const key of books.part(use)) {
        if (!isOf(key)) continue;
        gone(key);
        peer.settle(key, "V");
      }
    }
  }
  for (const number of numbers) {
    const free = (books.stock.extent(number)?.regions ?? [])
      .filter(({ mark, end }) => mark < end)
      .map(({ mark, end }) => ({ extent: number, start: mark, end }));
    if (free.length > 0) touched.add(number);
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
  return { extents: touched.size, bytes, offered };
}

function forget({ store, link, turn }: LinkContext, owner: Owner, use: Use): void {
  store.forget(link, use.ranges);
  turn.whenDurable(() => owner.sendVoid(use));
}

/**
 * Drops QKD-keys that wait for a match and are in no batch. The leader tells the follower which;
 * keys that the follower dropped expire at the leader.
 * @returns keys that were dropped, and those that are in a batch: what they become is an extent soon, or free again
 */
export function revokeBuffered(
  context: LinkContext,
  buffer: LinkBuffer,
  choice: WaitingChoice,
): { readonly dropped: number; readonly inBatch: number } {
  const gone: number[] = [];
  let inBatch = 0;
  for (const { slot, id, origin, isInBatch } of buffer.all()) {
    if (!choice.has(id, origin)) continue;
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
