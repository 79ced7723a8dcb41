/** Accounts of a large network: a few periods are in memory, and what is kept of the others has bounds. */
import test from "ava";
import { type Account, Accounts, mostOpen } from "../../../src/controller/accounting/accounts.ts";

const hour = 3_600_000;
const noon = Date.UTC(2026, 0, 31, 12);

/** Accounts, and a store for them that does as a database does. */
function bench(rules: { periods: number; records?: number }, stored = new Map<string, Account>()) {
  const told: [number, number][] = [];
  const counts = new Map<number, number>();
  for (const { from } of stored.values()) counts.set(from, (counts.get(from) ?? 0) + 1);
  const newest = Math.max(...counts.keys());
  const saved = new Map([...stored].filter(([, { from }]) => from === newest));
  const accounts = new Accounts({ length: hour, ...rules }, saved, counts, {
    save: (id, one) => {
      if (one !== undefined) return void stored.set(id, one);
      for (const key of [...stored.keys()]) if (key.startsWith(`${id} `)) stored.delete(key);
    },
    short: (...how) => told.push(how),
  });
  const made = (of: Iterable<Account>) => [...of].reduce((sum, one) => sum + one.made, 0);
  const periods = () => [...new Set([...stored.values()].map(({ from }) => from))];
  return { accounts, stored, told, made, periods };
}

test("only the last few periods are in memory, and all that were used are kept", (t) => {
  const { accounts, stored, made, periods } = bench({ periods: 100 });
  for (let i = 0; i < 50; i++) {
    for (let l = 0; l < 20; l++) accounts.add("link", `l${l}`, { made: 1 }, noon + i * hour);
  }
  t.is(accounts.records().length, mostOpen * 20);
  accounts.flush(noon + 49 * hour);
  t.is(periods().length, 50);
  t.is(made(stored.values()), 1_000);
});

test("old periods are forgotten by their count, also those that were never in memory", (t) => {
  const first = bench({ periods: 100 });
  for (let i = 0; i < 30; i++) first.accounts.add("link", "l", { made: 1 }, noon + i * hour);
  first.accounts.flush(noon + 30 * hour);
  const next = bench({ periods: 5 }, first.stored);
  next.accounts.flush(noon + 30 * hour);
  t.is(next.periods().length, 20, "ten at a time");
  for (let i = 0; i < 2; i++) next.accounts.flush(noon + 30 * hour);
  t.deepEqual(
    next.periods(),
    [25, 26, 27, 28, 29].map((i) => noon + i * hour),
  );
  t.deepEqual(next.told, []);
});

test("with too many records the oldest periods go early, and it is told", (t) => {
  const { accounts, periods, told } = bench({ periods: 100, records: 50 });
  for (let i = 0; i < 8; i++) {
    for (let l = 0; l < 10; l++) accounts.add("link", `l${l}`, { made: 1 }, noon + i * hour);
  }
  accounts.flush(noon + 7 * hour);
  t.deepEqual(
    periods(),
    [3, 4, 5, 6, 7].map((i) => noon + i * hour),
  );
  t.deepEqual(told, [[3, noon + 3 * hour]]);
});

test("a clock that goes back to a period that is not in memory takes nothing away from it", (t) => {
  const first = bench({ periods: 100 });
  for (let i = 0; i < 10; i++) first.accounts.add("link", "l", { made: 5 }, noon + i * hour);
  first.accounts.add("link", "l", { made: 7 }, noon);
  first.accounts.flush(noon);
  t.is(first.made(first.stored.values()), 57);
  // The same after a restart, whose memory begins with the newest period.
  const next = bench({ periods: 100 }, first.stored);
  next.accounts.add("link", "l", { made: 11 }, noon + 2 * hour);
  next.accounts.add("link", "l", { made: 13 }, noon + 9 * hour);
  next.accounts.flush(noon + 9 * hour);
  t.is(next.made(next.stored.values()), 81);
  const last = [...next.stored.values()].filter(({ from }) => from === noon + 9 * hour);
  t.deepEqual(
    last.map(({ made }) => made),
    [18],
  );
});
