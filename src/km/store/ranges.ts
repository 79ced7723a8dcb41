/** Ranges of extents. Pure. */
import type { Range } from "../../wire/kx/messages.ts";

/** Bytes of ranges. */
export function bytesOf(ranges: readonly Pick<Range, "start" | "end">[]): number {
  return ranges.reduce((sum, { start, end }) => sum + end - start, 0);
}
