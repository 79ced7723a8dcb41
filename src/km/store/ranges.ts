/** Ranges of extents. Pure. */
import type { Range } from "../../wire/kx/messages.ts";

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
