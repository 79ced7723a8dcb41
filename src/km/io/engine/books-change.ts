/** One transaction of the books from all changes that become durable together. Pure. */
import { type Change, rowKind } from "../../store/port.ts";
import type { Group } from "./group.ts";
import type { ConsumedRow, ExtentRow, LedgerChange, RedoRow } from "./ledger.ts";

/** Number of the row that is of no group. */
export const highestRow = -1;

/** @returns undefined if the books have nothing to write */
export function booksChange(
  changes: readonly Change[],
  touched: Iterable<Group>,
  places: readonly ExtentRow[],
  redo: readonly RedoRow[],
  others: readonly ConsumedRow[] = [],
): LedgerChange | undefined {
  // The last word about a row counts.
  const rows = new Map<string, LedgerChange["rows"][number]>();
  const gone = changes.flatMap((change) => change.gone ?? []);
  for (const { rows: of = [] } of changes) {
    for (const { kind, link, key, value } of of) {
      rows.set(`${kind} ${link} ${key}`, { kind: rowKind[kind], link, key, value });
    }
  }
  const consumed: ConsumedRow[] = Array.from(touched, ({ number, segment, consumed: bits }) => ({
    grp: number,
    segment,
    bits: bits.slice(),
  }));
  consumed.push(...others);
  if (rows.size + gone.length + consumed.length + places.length === 0) return undefined;
  return {
    rows: [...rows.values()],
    consumed,
    extents: places.map(rowOf),
    gone,
    segmentsGone: [],
    redo,
  };
}

/** A transaction that changes nothing, to be filled in. */
export const noChange: LedgerChange = {
  rows: [],
  consumed: [],
  extents: [],
  gone: [],
  segmentsGone: [],
  redo: [],
};

/** What the books have of a place, and no more: it goes to another thread. */
export function rowOf({ link, number, volume, offset, length }: ExtentRow): ExtentRow {
  return { link, number, volume, offset, length };
}

/** Row of no group that remembers the highest number of one: below zero, where no segment has its number. */
export function highest(group: number): ConsumedRow {
  return { grp: highestRow, segment: -group, bits: new Uint8Array() };
}

/** @param row of {@link highestRow}, if there is one */
export function highestOf(row: ConsumedRow | undefined): number {
  return row === undefined ? 0 : -row.segment;
}
