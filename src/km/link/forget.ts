/** After a start the store is told again which bytes are not needed any more: it does not keep that itself. */
import type { LinkBooks } from "../store/books.ts";
import type { KeyStore } from "../store/port.ts";
import type { Extent } from "../store/shapes.ts";

type Span = readonly [start: number, end: number];

/** All that is used is forgotten, but for what is bound here and may still be fetched. */
export function forgetUsed({ link, stock, uses }: LinkBooks, store: KeyStore): void {
  const bound = new Map<number, Span[]>();
  for (const { ranges, state } of uses.values()) {
    if (state !== "B") continue;
    for (const { extent, start, end } of ranges) {
      const list = bound.get(extent) ?? [];
      list.push([start, end]);
      bound.set(extent, list);
    }
  }
  for (const extent of stock.extents.values()) {
    const ranges = usedBut(extent, bound.get(extent.number) ?? []);
    if (ranges.length > 0) store.forget(link, ranges);
  }
}

function usedBut({ number, regions }: Extent, kept: Span[]) {
  const ranges = [];
  kept.sort(([a], [b]) => a - b);
  for (const { start, mark } of regions) {
    let at = start;
    for (const [from, to] of kept) {
      if (to <= at || from >= mark) continue;
      if (from > at) ranges.push({ extent: number, start: at, end: from });
      at = Math.max(at, to);
    }
    if (at < mark) ranges.push({ extent: number, start: at, end: mark });
  }
  return ranges;
}
