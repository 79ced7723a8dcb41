/** What an offer names. Pure. */
import type { OfferedKey, Range, Refusal, VersionedRange } from "../../wire/kx/messages.ts";
import type { LinkBooks } from "../store/books.ts";

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

/** Whether all keys of an offer may be bound, as far as the books say. @param ids KSA-key IDs, in hexadecimal */
export function areFree(
  books: Pick<LinkBooks, "uses" | "stock">,
  ids: readonly string[],
  keys: readonly OfferedKey[],
): boolean {
  if (ids.some((id) => books.uses.has(id))) return false;
  if (keys.some(({ ranges }) => ranges.length === 0)) return false;
  return joined(keys).every((range) => books.stock.canBind(range) === "free");
}

/** What lies beside each other at one version as one: keys are allocated in order. */
function joined(keys: readonly OfferedKey[]): VersionedRange[] {
  const all: { extent: number; start: number; end: number; version: number }[] = [];
  let last: (typeof all)[number] | undefined;
  for (const { ranges } of keys) {
    for (const { extent, start, end, version } of ranges) {
      const follows = last?.extent === extent && last.end === start && last.version === version;
      if (last !== undefined && follows) last.end = end;
      else {
        last = { extent, start, end, version };
        all.push(last);
      }
    }
  }
  return all;
}

/** Why a key of an offer cannot be bound, as far as the books say. @param id KSA-key ID, in hexadecimal */
export function whyNot(
  books: Pick<LinkBooks, "uses" | "stock">,
  id: string,
  { ranges }: OfferedKey,
): Refusal | undefined {
  if (books.uses.has(id) || ranges.length === 0) return "used";
  for (const range of ranges) {
    const why = books.stock.canBind(range);
    if (why !== "free") return why;
  }
  return undefined;
}
