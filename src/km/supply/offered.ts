/** What an offer names. Pure. */
import type { OfferedKeys, Range, Refusal, VersionedRange } from "../../wire/kx/messages.ts";
import type { LinkBooks } from "../store/books.ts";
import { cutRun, idsOf } from "../store/key-run.ts";
import { addRange } from "../store/ranges.ts";
import type { Use } from "../store/shapes.ts";

/** Keys of an offer at the beginning of their way, an entry for each of its own. */
export function offeredUses(
  keys: readonly OfferedKeys[],
  begun: Pick<Use, "offer" | "owner" | "state" | "request" | "pickUp">,
): Use[] {
  const { offer, owner, state, request, pickUp } = begun;
  // Written out: an object that begins as a copy has most of its fields in another one, and there are many.
  return keys.map(({ id, count, ranges }) => ({
    id,
    count,
    offer,
    owner,
    ranges,
    state,
    fate: undefined,
    had: 0,
    run: undefined,
    request,
    assigned: false,
    number: 0,
    pickUp,
    since: undefined,
  }));
}

/** Whether an offer names an ID or a byte twice: none that this KM makes does. */
export function isTwice(keys: readonly OfferedKeys[], ranges: readonly Range[]): boolean {
  const ids = keys.length > 1 ? idsOf(keys) : [];
  if (new Set(ids).size < ids.length) return true;
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

/** Whether this offer was bound before, and nothing ended its keys since but their application. */
export function areBound(
  { uses }: Pick<LinkBooks, "uses">,
  offer: string,
  keys: readonly OfferedKeys[],
): boolean {
  const [first] = keys;
  if (first === undefined || uses.entry(first.id)?.offer !== offer) return false;
  return idsOf(keys).every((id) => {
    const known = uses.entry(id);
    if (known === undefined || known.owner || known.offer !== offer) return false;
    return known.state === "B" || known.state === "T";
  });
}

/** Whether all keys of an offer may be bound, as far as the books say. */
export function areFree(
  { uses, stock }: Pick<LinkBooks, "uses" | "stock">,
  keys: readonly OfferedKeys[],
): boolean {
  if (keys.some((entry) => uses.hasAny(entry) || entry.ranges.length === 0)) return false;
  const joined: VersionedRange[] = [];
  for (const { ranges } of keys) for (const range of ranges) addRange(joined, range);
  return joined.every((range) => stock.canBind(range) === "free");
}

/** Each key of an offer as an entry of its own. */
export function singleKeys(keys: readonly OfferedKeys[]): OfferedKeys[] {
  return keys.flatMap((entry) => (entry.count === 1 ? entry : cutRun(entry)));
}

/** Why a key of an offer cannot be bound, as far as the books say. @param key a single one */
export function whyNot(
  { uses, stock }: Pick<LinkBooks, "uses" | "stock">,
  { id, ranges }: OfferedKeys,
): Refusal | undefined {
  if (uses.has(id) || ranges.length === 0) return "used";
  for (const range of ranges) {
    const why = stock.canBind(range);
    if (why !== "free") return why;
  }
  return undefined;
}
