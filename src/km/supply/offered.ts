/** What an offer names. Pure. */
import type { OfferedKey } from "../../wire/kx/messages.ts";

/** Whether an offer names an ID or a byte twice: none that this KM makes does. */
export function isTwice(keys: readonly OfferedKey[]): boolean {
  if (new Set(keys.map(({ id }) => id.toString("hex"))).size < keys.length) return true;
  const ranges = keys.flatMap((key) => key.ranges);
  if (ranges.length < 2) return false;
  const sorted = ranges.toSorted((a, b) => a.extent - b.extent || a.start - b.start);
  return sorted.some((range, i) => {
    const before = sorted[i - 1];
    return before !== undefined && before.extent === range.extent && range.start < before.end;
  });
}
