/**
 * Keys of an OFFER. On the wire each has its ID and its ranges; those of a request count up and lie one after the other, and
 * are one entry here: there may be a hundred thousand of them a second.
 */
import type { Reader, Writer } from "./bytes.ts";
import { type Field, list, struct, u16, u32, u64 } from "./fields.ts";
import type { OfferedKeys, Range, VersionedRange } from "./messages.ts";
import { limits, size } from "./names.ts";

const count = u16(1, limits.offerKeys);
const pieces = u16(1, limits.ranges);
const extent = u64(1, limits.count);
const place = u32(0, limits.extentBytes);
const version = u32(0, limits.version);
/** Bytes of an ID that are the same in all of an entry; the rest counts from here to 0 again. */
const stem = size.id - 2;
const suffixes = 0x1_0000;

const ordered = ({ start, end }: Range) => (start < end ? undefined : "end");
export const versionedRange: Field<VersionedRange> = {
  ...struct<VersionedRange>({ extent, start: place, end: place, version }, ordered),
  // As a struct is read, without a look at what its fields are: there are as many of these as keys.
  read: readRange,
};
const versionedRanges = list(versionedRange, 1, limits.ranges);

const none: Growing[] = [];

type Growing = { -readonly [K in keyof VersionedRange]: VersionedRange[K] };

function readRange(from: Reader): Growing {
  from.field = "extent";
  const number = extent.read(from);
  from.field = "start";
  const start = place.read(from);
  from.field = "end";
  const end = place.read(from);
  from.field = "version";
  const value = { extent: number, start, end, version: version.read(from) };
  from.field = "end";
  if (start >= end) throw from.wrong("contradicts another field");
  return value;
}

/** An entry that the next key may still belong to. */
interface Open {
  /** Where its first ID is. */
  readonly at: number;
  readonly keys: { readonly id: string; count: number; readonly ranges: Growing[] };
  /** What the last two bytes of the next ID are. */
  next: number;
  /** Bytes of each key. */
  readonly length: number;
}

function read(from: Reader): OfferedKeys[] {
  const entries: OfferedKeys[] = [];
  let open: Open | undefined;
  for (let left = count.read(from); left > 0; left--) {
    from.field = "id";
    const at = from.at;
    from.skip(size.id);
    const goesOn =
      open !== undefined && from.isSame(open.at, at, stem) && from.shortAt(at + stem) === open.next;
    from.field = "ranges";
    const others = pieces.read(from) - 1;
    const first = readRange(from);
    const more = others === 0 ? none : Array.from({ length: others }, () => readRange(from));
    const length = lengthOf(first, more);
    if (goesOn && open?.length === length && isApart(first, more)) {
      join(open.keys.ranges, first);
      open.keys.ranges.push(...more);
      open.keys.count++;
      open.next = (open.next + 1) % suffixes;
      continue;
    }
    // Nearly all are in one piece: a copy of none would make room for more.
    const ranges = others === 0 ? [first] : [first, ...more];
    const keys = { id: from.hexAt(at, size.id), count: 1, ranges };
    entries.push(keys);
    const next = (from.shortAt(at + stem) + 1) % suffixes;
    // In pieces that could be one it would be written otherwise than it came.
    open = isApart(first, more) ? { at, keys, next, length } : undefined;
  }
  return entries;
}

function lengthOf(first: Range, more: readonly Range[]): number {
  return more.reduce((sum, { start, end }) => sum + end - start, first.end - first.start);
}

/** Whether a range goes on where another ends, at the same version. */
export function isNext(one: VersionedRange, other: VersionedRange): boolean {
  return one.extent === other.extent && one.end === other.start && one.version === other.version;
}

/** None of the pieces of a key goes on where the one before ends. */
function isApart(first: VersionedRange, more: readonly VersionedRange[]): boolean {
  return more.every((range, i) => !isNext(more[i - 1] ?? first, range));
}

function join(ranges: Growing[], range: Growing): void {
  const last = ranges.at(-1);
  if (last !== undefined && isNext(last, range)) last.end = range.end;
  else ranges.push(range);
}

function write(to: Writer, entries: readonly OfferedKeys[]): void {
  const keys = entries.reduce((sum, one) => sum + one.count, 0);
  count.write(to, keys);
  for (const entry of entries) writeEntry(to, entry);
}

function writeEntry(to: Writer, { id, count: keys, ranges }: OfferedKeys): void {
  to.field = "id";
  const first = to.at;
  to.hex(id, size.id);
  to.field = "ranges";
  if (keys === 1) return versionedRanges.write(to, ranges);
  const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0);
  if (bytes === 0 || bytes % keys !== 0) throw to.wrong("is not of so many keys", keys);
  const cut = new Cut(ranges, bytes / keys);
  cut.write(to);
  for (let i = 1; i < keys; i++) {
    to.again(first, stem);
    to.u16((to.shortAt(first + stem) + i) % suffixes);
    cut.write(to);
  }
}

/** Where the next key of an entry begins. */
class Cut {
  readonly #ranges: readonly VersionedRange[];
  readonly #length: number;
  #at = 0;
  #start: number;

  constructor(ranges: readonly VersionedRange[], length: number) {
    this.#ranges = ranges;
    this.#length = length;
    this.#start = ranges[0]?.start ?? 0;
  }

  /** The ranges of the next key. */
  write(to: Writer): void {
    pieces.write(to, this.pieces);
    this.pass((range, start, end) => {
      extent.write(to, range.extent);
      place.write(to, start);
      place.write(to, end);
      version.write(to, range.version);
    });
  }

  /** Goes on behind the next key. @param visit called with each of its ranges */
  pass(visit: (range: VersionedRange, start: number, end: number) => void = () => {}): void {
    for (let left = this.#length; left > 0; ) {
      const range = this.#ranges[this.#at] as VersionedRange;
      const end = Math.min(range.end, this.#start + left);
      visit(range, this.#start, end);
      left -= end - this.#start;
      this.#start = end;
      if (end === range.end) this.#start = this.#ranges[++this.#at]?.start ?? 0;
    }
  }

  /** Ranges of the next key. */
  get pieces(): number {
    let at = this.#at;
    const { end } = this.#ranges[at] as VersionedRange;
    let left = this.#length - (end - this.#start);
    for (; left > 0; at++) {
      const next = this.#ranges[at + 1] as VersionedRange;
      left -= next.end - next.start;
    }
    return at - this.#at + 1;
  }
}

/** Keys of an offer, in its order. */
export const offeredKeys: Field<readonly OfferedKeys[]> = { read, write };

/** Bytes of the count before a list; of a key without its ranges; of a range. */
const countBytes = 2;
const keyBytes = size.id + countBytes;
const rangeBytes = 20;

/**
 * How many keys, from the first on, are no longer than so much. A key that has more pieces than may be named ends them.
 * @param ranges of all, one key after the other @param length bytes of each
 */
export function keysThatFit(
  ranges: readonly VersionedRange[],
  length: number,
  keys: number,
  room: number,
): number {
  const cut = new Cut(ranges, length);
  let left = room;
  let fit = 0;
  for (; fit < Math.min(keys, limits.offerKeys); fit++) {
    const named = cut.pieces;
    left -= keyBytes + named * rangeBytes;
    if (left < 0 || named > limits.ranges) break;
    cut.pass();
  }
  return fit;
}
