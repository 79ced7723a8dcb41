/** What an offer names. Pure. */
import type { Range } from "../../wire/kx/messages.ts";

/** Whether an offer names an ID or a byte twice: none that this KM makes does. */
export function isTwice(ids: readonly string[], ranges: readonly Range[]): boolean {
  if (ids.length > 1 && new Set(ids).size < ids.length) return true;
  // Keys are allocated in order, so there is rarely anything to sort.
  const sorted = ranges.every((range, i) => i === 0 || order(ranges[i - 1] as Range, range) < 0)
    ? ranges
    : ranges.toSorted(order);
  return sorted.some((range, i) => {
    const before = sorted[i - 1];
    return before !== undefined && before.extent === range.extent && range.start < before.end;
  });
}

function order(a: Range, b: Range): number {
  return a.extent - b.extent || a.start - b.start;
}
