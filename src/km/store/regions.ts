/**
 * Who owns which bytes of an extent, and how far they are used. A region is a stretch with one owner; its
 * bytes are used from its start on, in order, so one number, the mark, tells all of them. Pure.
 */

import { assert } from "../../base/assert.ts";
import type { Range, RegionBook } from "../../wire/kx/messages.ts";

/** The leader of a link (the smaller KM ID) or its follower. */
export type Side = 0 | 1;

/** A region in this KM's books. */
export interface Region {
  start: number;
  end: number;
  /** Counts changes of ownership; its parity is the owner. */
  version: number;
  /** Bytes before it are bound or used. */
  mark: number;
  /** On its way to the other KM: not allocated from. */
  giving: boolean;
}

export function ownerOf(version: number): Side {
  return (version & 1) as Side;
}

export function other(side: Side): Side {
  return (1 - side) as Side;
}

/** The regions of a new extent: the leader's first. A share of nothing has no region. */
export function split(length: number, at: number): Region[] {
  assert(at >= 0 && at <= length, "an extent is split inside of it");
  const regions: Region[] = [];
  if (at > 0) regions.push({ start: 0, end: at, version: 0, mark: 0, giving: false });
  if (at < length) regions.push({ start: at, end: length, version: 1, mark: at, giving: false });
  return regions;
}

/** Bytes that their owner may still allocate. */
export function freeOf(regions: readonly Region[], side: Side): number {
  let free = 0;
  for (const { version, giving, end, mark } of regions) {
    if (!giving && ownerOf(version) === side) free += end - mark;
  }
  return free;
}

export function allUsed(regions: readonly Region[]): boolean {
  return regions.every(({ mark, end }) => mark === end);
}

/** Cuts regions at `at`, so that none reaches over it. */
export function cutAt(regions: Region[], at: number): void {
  const index = regions.findIndex(({ start, end }) => start < at && at < end);
  const region = regions[index];
  if (region === undefined) return;
  const { end, version, mark, giving } = region;
  regions.splice(index + 1, 0, { start: at, end, version, mark: Math.max(mark, at), giving });
  region.end = at;
  region.mark = Math.min(mark, at);
}

/** The regions within a range, which are cut at its ends. Empty if the range is not of this extent. */
export function within(regions: Region[], { start, end }: Range): Region[] {
  cutAt(regions, start);
  cutAt(regions, end);
  return regions.filter((region) => region.start >= start && region.end <= end);
}

/** Whether no byte of the range is used here. Cuts nothing. */
export function isFree(regions: readonly Region[], { start, end }: Range): boolean {
  const touched = overlapping(regions, start, end);
  const last = touched.at(-1);
  return (
    start < end &&
    last !== undefined &&
    end <= last.end &&
    touched.every((region) => region.mark <= Math.max(start, region.start))
  );
}

export function overlapping(regions: readonly Region[], start: number, end: number): Region[] {
  return regions.filter((region) => region.start < end && start < region.end);
}

/** Marks a range as used, with what lies before it in its regions. */
export function use(regions: readonly Region[], { start, end }: Range): void {
  for (const region of overlapping(regions, start, end)) {
    region.mark = Math.max(region.mark, Math.min(region.end, end));
  }
}

/**
 * Joins neighbours that one region can tell. Two that have free bytes stay two: their owner may have used the second,
 * and this end not know of it yet; in one region all that is before would be used with it.
 * @param agreed whether both ends have just compared one that begins there, and join it to free bytes before it
 */
export function join(
  regions: readonly Region[],
  agreed: (start: number) => boolean = () => false,
): Region[] {
  const joined: Region[] = [];
  for (const region of regions) {
    const last = joined.at(-1);
    const alike =
      last !== undefined &&
      last.version === region.version &&
      last.giving === region.giving &&
      (last.mark === last.end || (region.mark === region.start && agreed(region.start)));
    if (alike) {
      last.mark = last.mark === last.end ? region.mark : last.mark;
      last.end = region.end;
    } else joined.push({ ...region });
  }
  return joined;
}

export function bookOf({ start, end, version, mark, giving }: Region): RegionBook {
  return { start, end, version, mark, giving };
}

/**
 * Mine against theirs (README, "Books are compared"): versions only rise; a gift of which the other KM
 * knows nothing is taken back, since its message can't arrive any more; what is used at one end is used.
 * @param offered ranges that are used at the other KM only by offers that it will make again
 */
export function reconcile(
  mine: readonly Region[],
  theirs: readonly RegionBook[],
  offered: readonly Range[],
): { regions: Region[]; used: Range[] } {
  const extent = offered[0]?.extent ?? 0;
  const cuts = new Set<number>();
  for (const { start, end, mark } of [...mine, ...theirs]) cuts.add(start).add(end).add(mark);
  for (const { start, end } of offered) cuts.add(start).add(end);
  const ends = [...cuts].sort((a, b) => a - b);
  const pieces: Region[] = [];
  const used: Range[] = [];
  // Where an offer begins that will be made again, and before it are free bytes, as the other KM has it, or those of an offer
  // that comes after it: what is before it in one region would be used with it.
  const offers = new Set<number>();
  let before = -1;
  for (let i = 0; i + 1 < ends.length; i++) {
    const start = ends[i] as number;
    const end = ends[i + 1] as number;
    const my = overlapping(mine, start, end)[0];
    const their = theirs.find((region) => region.start < end && start < region.end);
    assert(my !== undefined && their !== undefined, "both KMs have all bytes of an extent");
    const version = Math.max(my.version, their.version);
    const usedByMe = start < my.mark;
    const usedThere = start < their.mark;
    const comes = usedThere
      ? offered.findIndex((range) => range.start <= start && end <= range.end)
      : -1;
    const isUsed = usedByMe || (usedThere && comes < 0);
    if (isUsed && !usedByMe) used.push({ extent, start, end });
    const place = isUsed ? -1 : comes;
    if (place >= 0 && (before < 0 || place < before)) offers.add(start);
    before = place;
    pieces.push({ start, end, version, mark: isUsed ? end : start, giving: false });
  }
  return { regions: join(pieces, (start) => !offers.has(start)), used };
}
