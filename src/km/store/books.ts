/**
 * What this KM has on record of one link: extents and who owns which bytes of them, keys on their way, counts.
 * Nothing else changes them; each change marks the rows that have to be written, and {@link LinkBooks.rows}
 * hands them over for the next transaction. Pure.
 */
import type { Fate, Range, UseState, VersionedRange } from "../../wire/kx/messages.ts";
import { hold, isFinal, next, setFate, type UseEntry } from "./life.ts";
import type { Row } from "./port.ts";
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
  split,
} from "./regions.ts";
import {
  decodeExtent,
  decodeLink,
  decodeUse,
  encodeExtent,
  encodeLink,
  encodeUse,
} from "./rows.ts";

/** Facts of a batch that stay with its extent (Y.3803 Table 1, item 2). */
export interface ExtentFacts {
  /** QKD module IDs, the leader's first. */
  readonly modules: readonly [string, string];
  /** QKD-keys of the batch. */
  readonly keys: number;
  /** Unit length of its KMA-keys, bytes. */
  readonly unit: number;
  /** When it was matched here, ms since 1970 UTC. */
  readonly at: number;
}

export interface Extent {
  readonly number: number;
  readonly length: number;
  /** SHA-256 over its PROPOSE, 32 bytes. */
  readonly digest: Buffer;
  readonly facts: ExtentFacts;
  regions: Region[];
  /** Matched durably at this end: not before that may a byte of it be allocated. */
  open: boolean;
  /** Bytes bound or used: never fewer than before. */
  used: number;
  /** Keys on their way that have bytes of it. */
  uses: number;
}

/** A key on its way to applications, or whose fate is not known at both ends. */
export interface Use {
  /** KSA-key ID, 16 bytes as 32 hexadecimal digits. */
  readonly id: string;
  /** Offer it belongs to, 24 bytes in hexadecimal. */
  readonly offer: string;
  /** Whether this KM owns it. */
  readonly owner: boolean;
  readonly ranges: readonly Range[];
  state: UseState;
  fate: Fate | undefined;
  /** The set of applications. */
  request: string | undefined;
  /** The request was assigned to a pre-offer: the peer has to be told until its fate is known. */
  assigned: boolean;
  /** Number of the FATE that tells of it; 0 before its end, and at the owner. */
  number: number;
  /** How long the other application may take to fetch it, s. */
  readonly pickUp: number;
}

/** Bytes whose fate both KMs know, up to a FATE number. */
export interface Counts {
  number: number;
  taken: number;
  expired: number;
}

/** The rest of the books of a link. */
export interface LinkState {
  /** Durable transactions of this KM. */
  mark: number;
  /** The most that was heard of the other KM's. */
  heardMark: number;
  /** Highest number of an extent. */
  highest: number;
  /** Fates told as peer, and acknowledged; fates heard as owner. */
  told: Counts;
  heard: Counts;
  /** Bytes matched since the link began, and those of them that began as the leader's. */
  matched: number;
  leaders: number;
}

export class LinkBooks {
  readonly link: string;
  readonly side: Side;
  readonly state: LinkState;
  readonly #extents = new Map<number, Extent>();
  readonly #uses = new Map<string, Use>();
  /** Extents with free bytes of each side, oldest first. */
  readonly #stock: [Set<number>, Set<number>] = [new Set(), new Set()];
  readonly #free: [number, number] = [0, 0];
  /** Final at this end as peer, and not acknowledged: by FATE number, rising. */
  readonly #finals = new Map<number, Use>();
  readonly #dirtyExtents = new Set<number>();
  readonly #dirtyUses = new Set<string>();
  readonly #gone: number[] = [];
  #dirtyState = false;
  /** The highest FATE number given out here. */
  #lastNumber = 0;

  constructor(link: string, side: Side, rows: readonly Row[]) {
    this.link = link;
    this.side = side;
    this.state = decodeLink(rows.find((row) => row.kind === "link")?.value);
    for (const row of rows) {
      if (row.value === undefined) continue;
      if (row.kind === "extent") this.#put(decodeExtent(row.value));
      if (row.kind === "use") {
        const use = decodeUse(row.value);
        this.#uses.set(use.id, use);
      }
    }
    const finals = [...this.#uses.values()].filter(({ number }) => number !== 0);
    for (const use of finals.sort((a, b) => a.number - b.number)) {
      this.#finals.set(use.number, use);
      this.#lastNumber = use.number;
    }
    this.#lastNumber = Math.max(this.#lastNumber, this.state.told.number);
    for (const { ranges } of this.#uses.values()) this.#count(ranges, 1);
  }

  get extents(): ReadonlyMap<number, Extent> {
    return this.#extents;
  }

  get uses(): ReadonlyMap<string, Use> {
    return this.#uses;
  }

  /** Keys that ended here, as peer, and whose fate the owner has not acknowledged: in the order of their numbers. */
  finals(): Iterable<Use> {
    return this.#finals.values();
  }

  /** Bytes that a side may still allocate. */
  free(side: Side): number {
    return this.#free[side];
  }

  extent(number: number): Extent | undefined {
    return this.#extents.get(number);
  }

  /** Adds a matched batch. It is stock once it is durable: {@link openExtent}. */
  addExtent(number: number, length: number, at: number, digest: Buffer, facts: ExtentFacts): void {
    hold(!this.#extents.has(number), "an extent's number is used once", { extent: number });
    this.#put({
      number,
      length,
      digest,
      facts,
      regions: split(length, at),
      open: false,
      used: 0,
      uses: 0,
    });
    this.#dirtyExtents.add(number);
    this.state.matched += length;
    this.state.leaders += at;
    this.raiseHighest(number);
  }

  openExtent(number: number): void {
    const extent = this.#extents.get(number);
    if (extent === undefined) return;
    extent.open = true;
    this.#stockOf(extent);
  }

  raiseHighest(number: number): void {
    if (number <= this.state.highest) return;
    this.state.highest = number;
    this.#dirtyState = true;
  }

  /** The link's own row has to be written. */
  touchState(): void {
    this.#dirtyState = true;
  }

  /**
   * Takes `length` free bytes of this KM's own, oldest first, and marks them as used.
   * @returns undefined if there are not as many
   */
  allocate(length: number): VersionedRange[] | undefined {
    if (length <= 0 || this.#free[this.side] < length) return undefined;
    const ranges: VersionedRange[] = [];
    let left = length;
    for (const number of this.#stock[this.side]) {
      const extent = this.#extents.get(number) as Extent;
      left -= this.#allocateFrom(extent, left, ranges);
      this.#changed(extent);
      if (left === 0) break;
    }
    hold(left === 0, "free bytes are where the books say", { left });
    return ranges;
  }

  #allocateFrom(extent: Extent, wanted: number, ranges: VersionedRange[]): number {
    let taken = 0;
    for (const region of extent.regions) {
      if (taken === wanted) break;
      if (region.giving || ownerOf(region.version) !== this.side) continue;
      const length = Math.min(region.end - region.mark, wanted - taken);
      if (length === 0) continue;
      const { version, mark } = region;
      ranges.push({ extent: extent.number, start: mark, end: mark + length, version });
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
  markUsed(range: Range): void {
    const extent = this.#extents.get(range.extent);
    if (extent === undefined) return;
    this.#settleGift(extent, range);
    markUsed(extent.regions, range);
    this.#changed(extent);
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
    for (const region of overlapping(extent.regions, gift.start, gift.end)) {
      const arrived =
        region.giving &&
        region.version + 1 === gift.version &&
        region.start >= gift.start &&
        region.end <= gift.end;
      if (!arrived) continue;
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

  /** What the comparison of both books made of an extent's regions. */
  setRegions(number: number, regions: Region[]): void {
    const extent = this.#extents.get(number);
    hold(extent !== undefined, "only what is there is compared", { extent: number });
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

  /** A key begins its way. Its bytes are marked as used. */
  addUse(use: Use): void {
    hold(!this.#uses.has(use.id), "a key has one use", { id: use.id });
    this.#uses.set(use.id, use);
    this.#count(use.ranges, 1);
    for (const range of use.ranges) this.markUsed(range);
    this.#number(use);
    this.#dirtyUses.add(use.id);
  }

  /** Keeps extents while the hash of a key of theirs is computed. */
  pin(ranges: readonly Range[]): void {
    this.#count(ranges, 1);
  }

  unpin(ranges: readonly Range[]): void {
    this.#count(ranges, -1);
  }

  /** A step in the life of a key. @throws Fault `km.invariant` */
  step(use: Use, entry: UseEntry): void {
    use.state = next(use.state, entry);
    this.#number(use);
    this.#dirtyUses.add(use.id);
  }

  /** The peer numbers what is final, in order: so both ends count the same. */
  #number(use: Use): void {
    if (use.owner || !isFinal(use.state) || use.number !== 0) return;
    this.#lastNumber = Math.max(this.#lastNumber, this.state.told.number) + 1;
    use.number = this.#lastNumber;
    this.#finals.set(use.number, use);
  }

  /** FATE numbers up to this one are taken: the other KM has heard them before a disk was restored. */
  raiseNumber(number: number): void {
    this.#lastNumber = Math.max(this.#lastNumber, number);
  }

  setFate(use: Use, fate: Fate): void {
    use.fate = setFate(use.fate, fate);
    this.#dirtyUses.add(use.id);
  }

  assign(use: Use, request: string): void {
    hold(use.request === undefined || use.request === request, "a key is for one set", {
      id: use.id,
    });
    use.request = request;
    use.assigned = true;
    this.#dirtyUses.add(use.id);
  }

  /** Nothing more has to be known of a key. */
  dropUse(use: Use): void {
    if (!this.#uses.delete(use.id)) return;
    this.#finals.delete(use.number);
    this.#dirtyUses.add(use.id);
    this.#count(use.ranges, -1);
  }

  /** The rows that changed since the last call, and extents of which nothing is needed any more. */
  rows(): { rows: Row[]; gone: number[] } {
    const { link } = this;
    const rows: Row[] = [];
    for (const number of this.#dirtyExtents) {
      const extent = this.#extents.get(number);
      if (extent !== undefined && extent.uses === 0 && allUsed(extent.regions)) {
        this.#extents.delete(number);
        this.#gone.push(number);
      }
      const kept = this.#extents.get(number);
      const value = kept && encodeExtent(kept);
      rows.push({ kind: "extent", link, key: String(number), value });
    }
    for (const id of this.#dirtyUses) {
      const use = this.#uses.get(id);
      rows.push({ kind: "use", link, key: id, value: use && encodeUse(use) });
    }
    this.#dirtyExtents.clear();
    this.#dirtyUses.clear();
    const gone = this.#gone.splice(0);
    if (rows.length > 0 || this.#dirtyState) {
      this.state.mark++;
      this.#dirtyState = false;
      rows.push({ kind: "link", link, key: "books", value: encodeLink(this.state) });
    }
    return { rows, gone };
  }

  #put(extent: Extent): void {
    this.#extents.set(extent.number, extent);
    this.#stockOf(extent);
  }

  /** Every change of an extent ends here: what is used is never free again. */
  #changed(extent: Extent): void {
    extent.regions = join(extent.regions);
    const used = extent.regions.reduce((sum, { start, mark }) => sum + mark - start, 0);
    hold(used >= extent.used, "what is used is never free again", { extent: extent.number });
    extent.used = used;
    this.#dirtyExtents.add(extent.number);
    this.#stockOf(extent);
  }

  /** Free bytes that were last counted of an extent. */
  readonly #counted = new Map<number, readonly [number, number]>();

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

  /** The other side of this link. */
  get peerSide(): Side {
    return other(this.side);
  }
}
