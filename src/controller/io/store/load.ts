/**
 * Reads what is kept, page after page: each page is an answer of its own, with its own deadline. Of accounts, which are
 * millions, only the newest periods are read, and of the others how many there are.
 */
import type { Account } from "../../accounting/accounts.ts";
import type { Saved, SavedTable } from "../../core/world.ts";
import type { StoredAccount } from "./port.ts";
import { parsed, type Row, tables } from "./saved.ts";

/** Where rows are asked for: sorted by ID as the database sorts. Every method throws a Fault `db.*`. */
export interface Pages {
  /** Rows behind this ID, at most so many; `period`: only accounts of this one. */
  rows(table: SavedTable, after: string, count: number, period?: number): Promise<readonly Row[]>;
  /** How many accounts each period has, of so many IDs behind this one. @returns last: undefined: there are no more */
  periods(after: string, count: number): Promise<CountedPeriods>;
}

export interface CountedPeriods {
  readonly last: string | undefined;
  readonly counts: readonly (readonly [from: string, count: number])[];
}

/** Rows of a page, and IDs that are only counted. */
const rowsOfPage = 1_000;
const countedOfPage = 50_000;
/** Of the newest periods, beside that of now: the clock may be put right just after the start. */
const newest = 2;

/** @param period start of the period of accounts of now, ms since 1970 UTC @throws Fault `db.*` */
export async function loadAll(pages: Pages, period: number): Promise<Saved> {
  const saved: Record<string, unknown> = {};
  for (const table of tables) {
    if (table !== "account") saved[table] = await recordsOf(pages, table);
  }
  const counts = await countsOf(pages);
  const last = [...counts.keys()].toSorted((a, b) => a - b).slice(-newest);
  const account = new Map<string, unknown>();
  for (const from of new Set([...last, period].toSorted((a, b) => a - b))) {
    if (!counts.has(from)) continue;
    for (const [id, one] of await recordsOf(pages, "account", from)) account.set(id, one);
  }
  return { ...saved, account, accountPeriods: counts } as unknown as Saved;
}

/** See `LockingEngine.access`. @throws Fault `db.*` */
export async function accessIn(pages: Pages): Promise<Saved["access"]> {
  return (await recordsOf(pages, "access")) as Saved["access"];
}

/** See `Engine.accounts`. @throws Fault `db.*` */
export async function accountsAfter(
  pages: Pages,
  after: string,
  count: number,
): Promise<StoredAccount[]> {
  const rows = await pages.rows("account", after, count);
  return rows.map((row) => ({ id: row.id, account: parsed(row) as Account }));
}

async function recordsOf(
  pages: Pages,
  table: SavedTable,
  period?: number,
): Promise<Map<string, unknown>> {
  const records = new Map<string, unknown>();
  for (let after = ""; ; ) {
    const rows = await pages.rows(table, after, rowsOfPage, period);
    for (const row of rows) records.set(row.id, parsed(row));
    if (rows.length < rowsOfPage) return records;
    after = rows.at(-1)?.id ?? "";
  }
}

async function countsOf(pages: Pages): Promise<Map<number, number>> {
  const counts = new Map<number, number>();
  for (let after: string | undefined = ""; after !== undefined; ) {
    const page: CountedPeriods = await pages.periods(after, countedOfPage);
    for (const [text, count] of page.counts) {
      const from = Number(text);
      // What has no start is no account: it is left where it is.
      if (/^\d+$/.test(text)) counts.set(from, (counts.get(from) ?? 0) + count);
    }
    after = page.last;
  }
  return counts;
}
