/** Ranges of extents. Pure. */
import type { Range, VersionedRange } from "../../wire/kx/messages.ts";
import { isNext } from "../../wire/kx/offered-keys.ts";

/** Bytes of ranges. */
export function bytesOf(ranges: readonly Pick<Range, "start" | "end">[]): number {
  let bytes = 0;
  for (const { start, end } of ranges) bytes += end - start;
  return bytes;
}

/** The same bytes in the same order: ranges that follow each other as one, as keys are allocated. */
export function joinRanges(ranges: Iterable<Range>): Range[] {
  const joined: { extent: number; start: number; end: number }[] = [];
  for (const { extent, start, end } of ranges) {
    const last = joined.at(-1);
    if (last !== undefined && last.extent === extent && last.end === start) last.end = end;
    else joined.push({ extent, start, end });
  }
  return joined;
}

/** Adds a range behind others, to the last of them if it goes on there at the same version. */
export function addRange(ranges: VersionedRange[], range: VersionedRange): void {
  const last = ranges.at(-1);
  if (last === undefined || !isNext(last, range)) ranges.push(range);
  else ranges[ranges.length - 1] = { ...last, end: range.end };
}
