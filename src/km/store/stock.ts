/**
 * Stock of a link: extents, who owns which bytes of them, how far they are used, what is on its way to the other
 * owner. Every change of an extent is made here, and what is used is never free again. Pure.
 */

import { assert } from "../../base/assert.ts";
import type { Range, VersionedRange } from "../../wire/kx/messages.ts";
import { limits } from "../../wire/kx/names.ts";
import { addRange, joinRanges } from "./ranges.ts";
import {
  allUsed,
  cutAt,
  freeOf,
  isFree,
  join,
  use as markUsed,
  other,
  overlapping,
  ownerOf,
  type Region,
  type Side,
} from "./regions.ts";
import { type Extent, isOtp } from "./shapes.ts";

/** Whether bytes of an extent will do. */
export type Wants = (extent: Extent) => boolean;

export class Stock {
  readonly side: Side;
  readonly #extents = new Map<number, Extent>();
  /** Extents with free bytes of each side, oldest first. */
  readonly #stock: [Set<number>, Set<number>] = [new Set(), new Set()];
  readonly #free: [number, number] = [0, 0];

  /** Free bytes that were last counted of an extent. */
  readonly #counted = new Map<number, readonly [number, number]>();
  readonly #dirtyExtents = new Set<number>();
  /** Extents that came under AES. */
  #lesser = 0;
  #opening = 0;

  constructor(side: Side, extents: readonly Extent[]) {
    this.side = side;
    for (const extent of extents) this.#put(extent);
  }

  #put(extent: Extent): void {
    this.#extents.set(extent.number, extent);
    if (!isOtp(extent)) this.#lesser++;
    if (!extent.open) this.#opening += extent.length;
    this.#stockOf(extent);
  }

  /** Bytes of extents that are matched, and stock as soon as that is durable. */
  get opening(): number {
    return this.#opening;
  }

  /** The other side of this link. */
  get peerSide(): Side {
    return other(this.side);
  }

  /** None of it was under less than one-time pads on its way. */
  get isAllOtp(): boolean {
    return this.#lesser === 0;
  }

  get extents(): ReadonlyMap<number, Extent> {
    return this.#extents;
  }

  /** Bytes that a side may still allocate. @param wants of these extents alone */
  free(side: Side, wants?: Wants): number {
    if (wants === undefined) return this.#free[side];
    let free = 0;
    for (const number of this.#stock[side]) {
      const extent = this.#extents.get(number) as Extent;
      if (wants(extent)) free += freeOf(extent.regions, side);
    }
    return free;
  }

  extent(number: number): Extent | undefined {
    return this.#extents.get(number);
  }

  /** Adds a matched batch. It is stock once it is durable: {@link openExtent}. */
  add(extent: Extent): void {
    assert(!this.#extents.has(extent.number), "an extent's number is used once");
    this.#put(extent);
    this.#dirtyExtents.add(extent.number);
  }

  openExtent(number: number): void {
    const extent = this.#extents.get(number);
    if (extent === undefined) return;
    if (!extent.open) this.#opening -= extent.length;
    extent.open = true;
    this.#stockOf(extent);
  }

  /** Whether the bytes of these ranges are durable here. */
  areOpen(ranges: readonly Range[]): boolean {
    return ranges.every(({ extent }) => this.#extents.get(extent)?.open === true);
  }

  /**
   * Takes `length` free bytes of this KM's own for each of so many keys, oldest first, and marks them as used.
   * @param wants of these extents alone
   * @returns the bytes of all, one key after the other; of fewer keys if there is too little, or if a key is in more pieces
   *   than a message can name
   */
  allocate(keys: number, length: number, wants?: Wants): VersionedRange[] {
    const all: VersionedRange[] = [];
    const touched = new Set<Extent>();
    const free = this.free(this.side, wants);
    const most = Math.min(keys, length > 0 ? Math.floor(free / length) : 0);
    const fits = (count: number) => this.#pieces(count * length, wants) <= limits.ranges;
    // None of them is in more pieces than all together.
    if (most > 0 && fits(most)) this.#allocateFor(most * length, touched, all, wants);
    else for (let i = 0; i < most && fits(1); i++) this.#allocateFor(length, touched, all, wants);
    for (const extent of touched) this.#changed(extent);
    return all;
  }

  /** @param touched the caller counts what is left of these when all is allocated */
  #allocateFor(
    length: number,
    touched: Set<Extent>,
    ranges: VersionedRange[],
    wants?: Wants,
  ): void {
    let left = length;
    for (const number of this.#stock[this.side]) {
      const extent = this.#extents.get(number) as Extent;
      if (wants?.(extent) === false) continue;
      left -= this.#allocateFrom(extent, left, ranges);
      touched.add(extent);
      if (left === 0) break;
    }
    assert(left === 0, "free bytes are where the books say");
  }

  /** How many ranges it takes: a message names a limited number of them. */
  #pieces(length: number, wants?: Wants): number {
    let pieces = 0;
    let left = length;
    for (const number of this.#stock[this.side]) {
      const extent = this.#extents.get(number) as Extent;
      if (wants?.(extent) === false) continue;
      for (const { version, giving, end, mark } of extent.regions) {
        if (giving || ownerOf(version) !== this.side || end === mark) continue;
        pieces++;
        left -= end - mark;
        if (left <= 0) return pieces;
      }
    }
    return pieces;
  }

  #allocateFrom(extent: Extent, wanted: number, ranges: VersionedRange[]): number {
    let taken = 0;
    for (const region of extent.regions) {
      if (taken === wanted) break;
      if (region.giving || ownerOf(region.version) !== this.side) continue;
      const length = Math.min(region.end - region.mark, wanted - taken);
      if (length === 0) continue;
      const { version, mark } = region;
      addRange(ranges, { extent: extent.number, start: mark, end: mark + length, version });
      region.mark += length;
      taken += length;
    }
    return taken;
  }

  /**
   * Whether the other KM, as owner, may bind these bytes. One that this KM was about to give counts as given.
   */
  canBind(range: VersionedRange): "free" | "used" | "owner" {
    const extent = this.#extents.get(range.extent);
    if (extent === undefined) return "used";
    const regions = overlapping(extent.regions, range.start, range.end);
    const owners = regions.every(
      ({ version, giving }) =>
        ownerOf(range.version) !== this.side &&
        (version === range.version || (giving && version + 1 === range.version)),
    );
    if (!isFree(extent.regions, range)) return "used";
    return owners ? "free" : "owner";
  }

  /** Marks bytes as used at this end. What can be given no more is the other KM's. */
  markUsed(ranges: readonly Range[]): void {
    for (const range of joinRanges(ranges)) {
      const extent = this.#extents.get(range.extent);
      if (extent === undefined) continue;
      this.#settleGift(extent, range);
      markUsed(extent.regions, range);
      this.#changed(extent);
    }
  }

  #settleGift(extent: Extent, { start, end }: Range): void {
    for (const region of overlapping(extent.regions, start, end)) {
      if (!region.giving) continue;
      region.giving = false;
      region.version++;
    }
  }

  /** Puts up to `length` free bytes of this KM's own on their way to the other, from the far end. */
  give(length: number): VersionedRange[] {
    const gifts: VersionedRange[] = [];
    let left = length;
    for (const number of [...this.#stock[this.side]].reverse()) {
      if (left === 0) break;
      const extent = this.#extents.get(number) as Extent;
      for (const region of [...extent.regions].reverse()) {
        if (left === 0 || region.giving || ownerOf(region.version) !== this.side) continue;
        const part = Math.min(left, region.end - region.mark);
        if (part === 0) continue;
        const { end, version } = region;
        cutAt(extent.regions, end - part);
        const gift = overlapping(extent.regions, end - part, end)[0] as Region;
        gift.giving = true;
        gifts.push({ extent: number, start: end - part, end, version: version + 1 });
        left -= part;
      }
      this.#changed(extent);
    }
    return gifts;
  }

  /** A gift arrives. @returns whether it is this KM's now */
  receive(gift: VersionedRange): boolean {
    const extent = this.#extents.get(gift.extent);
    if (extent === undefined || ownerOf(gift.version) !== this.side) return false;
    const regions = overlapping(extent.regions, gift.start, gift.end);
    if (regions.every(({ version }) => version >= gift.version)) return true;
    const fits = regions.every(({ version }) => version + 1 === gift.version);
    if (!fits || !isFree(extent.regions, gift)) return false;
    cutAt(extent.regions, gift.start);
    cutAt(extent.regions, gift.end);
    for (const region of overlapping(extent.regions, gift.start, gift.end)) {
      region.version = gift.version;
    }
    this.#changed(extent);
    return true;
  }

  /** The other KM has a gift. */
  given(gift: VersionedRange): void {
    const extent = this.#extents.get(gift.extent);
    if (extent === undefined) return;
    // Gifts that lie beside each other are one region here, and arrive one by one.
    cutAt(extent.regions, gift.start);
    cutAt(extent.regions, gift.end);
    for (const region of overlapping(extent.regions, gift.start, gift.end)) {
      if (!region.giving || region.version + 1 !== gift.version) continue;
      region.giving = false;
      region.version = gift.version;
    }
    this.#changed(extent);
  }

  /** Gifts on their way. */
  gifts(): VersionedRange[] {
    const gifts: VersionedRange[] = [];
    for (const { number, regions } of this.#extents.values()) {
      for (const { start, end, version, giving } of regions) {
        if (giving) gifts.push({ extent: number, start, end, version: version + 1 });
      }
    }
    return gifts;
  }

  /** Gifts of the session before can't arrive any more: what did not is this KM's own again. */
  takeBackGifts(): void {
    for (const extent of this.#extents.values()) {
      if (!extent.regions.some(({ giving }) => giving)) continue;
      for (const region of extent.regions) region.giving = false;
      this.#changed(extent);
    }
  }

  /** What the comparison of both books made of an extent's regions. */
  setRegions(number: number, regions: Region[]): void {
    const extent = this.#extents.get(number);
    assert(extent !== undefined, "only what is there is compared");
    extent.regions = regions;
    this.#changed(extent);
  }

  /** An extent that the other KM does not have: all of it is used. */
  voidExtent(number: number): void {
    const extent = this.#extents.get(number);
    if (extent === undefined) return;
    for (const region of extent.regions) {
      region.giving = false;
      region.mark = region.end;
    }
    this.#changed(extent);
  }

  /** Keeps extents while the hash of a key of theirs is computed. */
  pin(ranges: readonly Range[]): void {
    this.#count(ranges, 1);
  }

  unpin(ranges: readonly Range[]): void {
    this.#count(ranges, -1);
  }

  /** Extents that changed since the last call; undefined for one of which nothing is needed any more. */
  changes(): Map<number, Extent | undefined> {
    const changes = new Map<number, Extent | undefined>();
    for (const number of this.#dirtyExtents) {
      const extent = this.#extents.get(number);
      if (extent === undefined) continue;
      const gone = extent.uses === 0 && allUsed(extent.regions);
      if (gone) this.#drop(extent);
      changes.set(number, gone ? undefined : extent);
    }
    this.#dirtyExtents.clear();
    return changes;
  }

  #drop(extent: Extent): void {
    this.#extents.delete(extent.number);
    if (!isOtp(extent)) this.#lesser--;
    if (!extent.open) this.#opening -= extent.length;
  }

  /** Every change of an extent ends here: what is used is never free again. */
  #changed(extent: Extent): void {
    extent.regions = join(extent.regions);
    const used = extent.regions.reduce((sum, { start, mark }) => sum + mark - start, 0);
    assert(used >= extent.used, "what is used is never free again");
    extent.used = used;
    this.#dirtyExtents.add(extent.number);
    this.#stockOf(extent);
  }

  #stockOf(extent: Extent): void {
    const before = this.#counted.get(extent.number) ?? [0, 0];
    const now = extent.open
      ? ([freeOf(extent.regions, 0), freeOf(extent.regions, 1)] as const)
      : ([0, 0] as const);
    for (const side of [0, 1] as const) {
      this.#free[side] += now[side] - before[side];
      if (now[side] > 0) this.#stock[side].add(extent.number);
      else this.#stock[side].delete(extent.number);
    }
    if (now[0] + now[1] > 0) this.#counted.set(extent.number, now);
    else this.#counted.delete(extent.number);
  }

  #count(ranges: readonly Range[], by: 1 | -1): void {
    for (const { extent: number } of ranges) {
      const extent = this.#extents.get(number);
      if (extent === undefined) continue;
      extent.uses += by;
      // It may go now: the next transaction looks.
      if (extent.uses === 0) this.#dirtyExtents.add(number);
    }
  }
}
