/** Accounts as a network leaves them in the store, an hour each. */
import type { Account } from "../../src/controller/accounting/accounts.ts";
import type { Written } from "../../src/controller/io/store/port.ts";
import { summed } from "../../src/controller/io/store/saved.ts";

export const hour = 3_600_000;

/** @param from start of the first period, ms since 1970 UTC */
export function accountRows(links: number, periods: number, from: number): Written[] {
  return Array.from({ length: links * periods }, (_, i) => {
    const object = `km-${i % links}--km-${(i % links) + 1}`;
    const start = from + Math.floor(i / links) * hour;
    const id = `${start} link ${object}`;
    const none = { keys: 0, bits: 0, refused: 0, relays: 0, relayed: 0, failed: 0, session_s: 0 };
    const used = { ...none, made: i, consumed: 1, sessions: 0 };
    const account: Account = { from: start, length: hour, kind: "link", object, ...used };
    return { table: "account", id, value: summed("account", id, account) };
  });
}

/** What every database does with accounts. @param engine empty */
export async function readInPages(engine: {
  write(records: readonly Written[], changes: readonly []): Promise<void>;
  load(period: number): Promise<{
    readonly account: ReadonlyMap<string, Account>;
    readonly accountPeriods?: ReadonlyMap<number, number>;
    readonly service: ReadonlyMap<string, unknown>;
  }>;
  accounts(
    after: string,
    count: number,
  ): Promise<readonly { readonly id: string; readonly account: Account }[]>;
}) {
  const first = Date.UTC(2026, 0, 31);
  const [links, periods] = [1_700, 40];
  await engine.write(accountRows(links, periods, first), []);
  // Of a clock that was not set, and one record of each kind beside them.
  await engine.write(accountRows(3, 1, 0), []);
  const services = Array.from({ length: 2_500 }, (_, i) => {
    const [id, service] = [`km-${i}`, { service: "reserved", by: "op", at: i }];
    return { table: "service", id, value: summed("service", id, service) } as const;
  });
  await engine.write(services, []);
  const saved = await engine.load(first + 3 * hour);
  // A period is forgotten, and one record of it comes after that.
  const [late] = accountRows(1, 1, first);
  await engine.write(
    [{ table: "account", id: `${first}`, value: undefined }, ...(late ? [late] : [])],
    [],
  );
  const pages: (readonly { readonly id: string; readonly account: Account }[])[] = [];
  for (let after = ""; ; ) {
    const page = await engine.accounts(after, 20_000);
    if (page.length === 0) break;
    pages.push(page);
    after = page.at(-1)?.id ?? "";
  }
  return {
    loaded: [...new Set([...saved.account.values()].map(({ from }) => from))],
    expected: [3, periods - 2, periods - 1].map((i) => first + i * hour),
    loadedRecords: saved.account.size / links,
    services: saved.service.size,
    periods: saved.accountPeriods?.size,
    ofOne: saved.accountPeriods?.get(first),
    ofOld: saved.accountPeriods?.get(0),
    ids: new Set(pages.flat().map(({ id }) => id)).size,
    largest: Math.max(...pages.map(({ length }) => length)),
    ofForgotten: pages.flat().filter(({ account }) => account.from === first).length,
  };
}

/** What {@link readInPages} tells of one that works. */
export const readWell = {
  ...{ loadedRecords: 3, services: 2_500, periods: 41, ofOne: 1_700, ofOld: 3 },
  ...{ ids: 39 * 1_700 + 1 + 3, largest: 20_000, ofForgotten: 1 },
} as const;
