/**
 * Both books are compared at the beginning of a session, before anything else (README, "Books are compared"):
 * the messages of the session before are lost, and either disk may be an old one. What is used at either end
 * is used. Pure; the same at both ends.
 */
import type { ExtentBook, Range, RegionBook, UseBook } from "../../wire/kx/messages.ts";
import type { LinkContext } from "../peer/context.ts";
import type { LinkBooks } from "../store/books.ts";
import { idsOf } from "../store/key-run.ts";
import { isFinal } from "../store/life.ts";
import { reconcile } from "../store/regions.ts";
import type { Extent, Use } from "../store/shapes.ts";
import type { Peer } from "../supply/peer.ts";
import type { TheirBooks } from "./their-books.ts";

export function compareBooks(context: LinkContext, peer: Peer, theirs: TheirBooks): void {
  const marks = compareMarks(context, theirs);
  compareCounts(context, peer, theirs);
  context.books.stock.takeBackGifts();
  const inUse = rangesOf(theirs);
  const used: Range[] = [];
  for (const extent of [...context.books.stock.extents.values()]) {
    used.push(...compareExtent(context, extent, theirs, inUse.get(extent.number) ?? []));
  }
  // A key may have bytes of several extents: all regions are as they are now before one is marked for it.
  for (const range of used) bindUsed(context, range, inUse.get(range.extent) ?? []);
  for (const use of [...context.books.uses.values()]) {
    // Nothing came between: they stay one entry.
    if (use.count > 1 && isAlikeThere(use, theirs)) continue;
    for (const key of context.books.part(use)) compareUse(context, peer, key, theirs);
  }
  if (marks !== undefined) context.tell(marks);
  context.turn.changed();
}

/** Whether either disk is older than it was. Nothing is safe because of it: it is told. */
function compareMarks({ books }: LinkContext, { head }: TheirBooks) {
  const { state } = books;
  const mine = { mark: state.mark, remembered: head.heardMark };
  const their = { mark: head.mark, remembered: state.heardMark };
  state.heardMark = Math.max(state.heardMark, head.mark);
  books.raiseHighest(head.highest);
  books.touchState();
  if (mine.mark < mine.remembered) return { type: "restored", which: "us", ...mine } as const;
  if (their.mark < their.remembered) return { type: "restored", which: "them", ...their } as const;
  return undefined;
}

/** Fates that the other KM has acknowledged, or heard, which an older disk does not know of. */
function compareCounts({ books }: LinkContext, peer: Peer, { head }: TheirBooks): void {
  const { state } = books;
  if (head.told.number > state.heard.number) Object.assign(state.heard, head.told);
  // FATEs that were heard, and whose FATEOK was lost.
  for (const use of books.finals()) {
    if (use.number > head.heard.number) break;
    peer.fates.acknowledge(use);
  }
  if (head.heard.number > state.told.number) Object.assign(state.told, head.heard);
  books.raiseNumber(head.heard.number);
}

/** @param inIt what keys on their way have of it there @returns bytes that are used there and were free here */
function compareExtent(
  context: LinkContext,
  extent: Extent,
  theirs: TheirBooks,
  inIt: readonly InUse[],
): Range[] {
  const { books } = context;
  const { number, regions } = extent;
  const their = theirs.extents.get(number);
  // Used up there and deleted, or never matched there: used here. The follower may not have heard that it is matched, and has
  // all of it free then: COMMIT says so again.
  const isKnown = their?.state === "M" || (books.side === 0 && their?.state === "R");
  if (!isKnown || !isSameBatch(extent, their)) {
    const free = regions.reduce((sum, { mark, end }) => sum + end - mark, 0);
    if (free > 0) context.tell({ type: "lost", bytes: free, extent: number });
    context.store.forget(context.link, [{ extent: number, start: 0, end: extent.length }]);
    books.stock.voidExtent(number);
    return [];
  }
  // Offers of theirs are made again: their bytes stay free here.
  const offered = inIt.filter(({ use }) => use.owner && use.state === "O");
  const ranges = offered.map(({ range }) => range);
  const result = reconcile(regions, regionsThere(number, theirs), ranges);
  books.stock.setRegions(number, result.regions);
  return result.used.map((range) => ({ ...range, extent: number }));
}

interface InUse {
  readonly use: UseBook;
  readonly range: Range;
}

/** What their keys on their way have, by extent. */
function rangesOf({ uses }: TheirBooks): Map<number, InUse[]> {
  const all = [...uses.values()].flatMap((use) => use.ranges.map((range) => ({ use, range })));
  return Map.groupBy(all, ({ range }) => range.extent);
}

/** Bytes that are used there and were free here: this end's row for them, where one is needed. */
function bindUsed(context: LinkContext, used: Range, inIt: readonly InUse[]): void {
  const { books, store, link } = context;
  store.forget(link, [used]);
  let known = 0;
  for (const { use, range } of inIt) {
    const overlaps = range.start < used.end && used.start < range.end;
    if (!overlaps) continue;
    known += Math.min(range.end, used.end) - Math.max(range.start, used.start);
    const id = use.id.toString("hex");
    if (books.uses.has(id)) continue;
    addCounterpart(context, use);
  }
  const length = used.end - used.start;
  if (known < length) {
    context.tell({ type: "lost", bytes: length - known, extent: used.extent });
  }
}

/** Mine was free where theirs is on its way: it ends, and each end hears how. */
function addCounterpart({ books }: LinkContext, use: UseBook): void {
  const final = { offer: use.offer.toString("hex"), ranges: use.ranges, request: use.use };
  const { had } = use;
  const id = use.id.toString("hex");
  const base = { ...final, had, id, count: 1, assigned: false, number: 0, pickUp: 0 };
  if (use.owner) {
    // This end was the peer, on a disk that is older now: its word ends the owner's row.
    books.addUses([{ ...base, owner: false, state: use.fate ?? "V", fate: undefined }]);
  } else if (use.state === "B") {
    // This end was the owner: VOID ends it at the peer, and FATE here.
    books.addUses([{ ...base, owner: true, state: "V", fate: undefined }]);
  }
}

/** Each key of an entry is at the other end what it is here. */
function isAlikeThere(use: Use, { uses }: TheirBooks): boolean {
  if (use.request === undefined || !"OSB".includes(use.state)) return false;
  if (use.fate !== undefined || use.had !== 0) return false;
  return idsOf([use]).every((id) => {
    const their = uses.get(id);
    if (their === undefined || their.owner === use.owner || their.had !== 0) return false;
    return their.fate === undefined && (use.owner ? "B" : "OS").includes(their.state);
  });
}

function compareUse(context: LinkContext, peer: Peer, use: Use, theirs: TheirBooks): void {
  const their = theirs.uses.get(use.id);
  // Just added because of theirs.
  if (their?.owner === use.owner) return odd(context);
  if (use.owner) compareOwned(context, use, their, theirs);
  else comparePeers(context, peer, use, their, theirs);
}

function odd({ tell }: LinkContext): void {
  tell({ type: "odd", message: "sync" });
}

function compareOwned(
  context: LinkContext,
  use: Use,
  their: UseBook | undefined,
  theirs: TheirBooks,
): void {
  const { books } = context;
  if (use.state === "O" || use.state === "P") {
    const kept =
      their === undefined
        ? use.state === "O" && isFreeThere(books, use, theirs)
        : "BT".includes(their.state);
    if (!kept) books.step(use, "void");
    return;
  }
  // This end's disk is older: what slaves of the other end have, they have.
  if (use.state === "S" && their !== undefined) books.hand(use, their.had);
  // The other end has no row and all is used there: its fate was acknowledged once.
  if (their === undefined && !hasFreeThere(books, use, theirs)) books.dropUse(use);
}

function comparePeers(
  context: LinkContext,
  peer: Peer,
  use: Use,
  their: UseBook | undefined,
  theirs: TheirBooks,
): void {
  const { books } = context;
  if (isFinal(use.state)) return;
  if (their === undefined) {
    // Free there: their disk is older, and they turn it void. Used there: its fate was told once.
    if (!hasFreeThere(books, use, theirs)) books.dropUse(use);
    return;
  }
  if (their.fate !== undefined) return peer.settle(use, their.fate);
  if (their.state === "V") return peer.settle(use, "V");
  // First for whom it is: slaves that have it, of an older disk of this end, are places in that set.
  const assigned = their.state === "S" && use.request === undefined && their.use !== undefined;
  if (assigned) peer.assign(use, their.use);
  peer.handed(use, their.had);
}

/** Regions as they are at the other end; of a batch that it has only prepared, all is free. */
function regionsThere(extent: number, { extents }: TheirBooks): readonly RegionBook[] {
  const their = extents.get(extent);
  if (their === undefined) return [];
  const { state, length, regions } = their;
  return state === "R" ? [{ start: 0, end: length, version: 0, mark: 0, giving: false }] : regions;
}

/** Both ends have the batch that this extent was; one of another digest is used up at both. */
function isSameBatch(own: Extent | undefined, their: ExtentBook | undefined): boolean {
  if (own === undefined || their === undefined) return false;
  return their.digest.equals(own.digest) && their.length === own.length;
}

function touched({ stock }: LinkBooks, range: Range, theirs: TheirBooks): RegionBook[] {
  const { extent, start, end } = range;
  if (!isSameBatch(stock.extents.get(extent), theirs.extents.get(extent))) return [];
  return regionsThere(extent, theirs).filter((r) => r.start < end && start < r.end);
}

/** All of its bytes are free at the other end. */
function isFreeThere(books: LinkBooks, { ranges }: Use, theirs: TheirBooks): boolean {
  return ranges.every((range) => {
    const regions = touched(books, range, theirs);
    return regions.length > 0 && regions.every((r) => r.mark <= Math.max(r.start, range.start));
  });
}

/** Some of its bytes are free at the other end. */
function hasFreeThere(books: LinkBooks, { ranges }: Use, theirs: TheirBooks): boolean {
  return ranges.some((range) =>
    touched(books, range, theirs).some(
      (r) => Math.max(r.mark, range.start) < Math.min(r.end, range.end),
    ),
  );
}
