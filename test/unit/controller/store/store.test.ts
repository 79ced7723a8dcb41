/** What waits to be written, with a database in the test's hands. */
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { type Log, silentLog } from "../../../../src/base/log.ts";
import { nothingSaved } from "../../../../src/controller/core/world.ts";
import { Store } from "../../../../src/controller/io/store/store.ts";
import { ManualClock, settle } from "../../../clock.ts";

function bench(log: Log = silentLog) {
  const writes: {
    readonly ids: readonly string[];
    readonly isAll: boolean;
    readonly end: (why?: Fault) => void;
  }[] = [];
  const store = new Store({
    engine: {
      write: (records, _changes, isAll = false) =>
        new Promise((resolve, reject) => {
          const ids = records.map(({ id }) => id);
          writes.push({ ids, isAll, end: (why) => (why === undefined ? resolve() : reject(why)) });
        }),
    },
    clock: new ManualClock(),
    log,
    onTrouble: () => {},
  });
  const save = (id: string) => {
    store.save("service", id, { service: "in_service", by: "alice", at: 0 });
  };
  return { store, save, writes };
}

test("what was given is durable, whatever comes while it is written", async (t) => {
  const { store, save, writes } = bench();
  save("one");
  const one = store.settled();
  await settle();
  save("two");
  const two = store.settled();
  writes[0]?.end();
  t.true(await one);
  t.is(store.waiting, 0, "the second is being written");
  save("three");
  await settle();
  writes[1]?.end(new Fault("db.io", "away"));
  t.false(await two);
  const three = store.settled();
  await settle();
  t.deepEqual(
    writes.map(({ ids }) => ids),
    [["one"], ["two"], ["two", "three"]],
  );
  save("four");
  writes[2]?.end();
  t.true(await three);
  t.is(store.waiting, 1);
});

test("what waits of a period that is forgotten is not written behind it", async (t) => {
  const { store, save, writes } = bench();
  const account = (period: number) => {
    const counts = { keys: 1, bits: 1, refused: 0, relays: 0, relayed: 0, failed: 0 };
    const one = { from: period, length: 1, kind: "link", object: "a b" } as const;
    store.save("account", `${period} link a b`, {
      ...one,
      ...counts,
      sessions: 0,
      session_s: 0,
      made: 0,
      consumed: 0,
    });
  };
  account(1);
  account(12);
  store.save("account", "1", undefined);
  const first = store.settled();
  await settle();
  t.deepEqual(writes[0]?.ids, ["12 link a b", "1"]);
  // Nor is it put back when that could not be written, and was forgotten meanwhile.
  store.save("account", "12", undefined);
  save("one");
  writes[0]?.end(new Fault("db.io", "away"));
  t.false(await first);
  void store.settled();
  await settle();
  t.deepEqual(writes[1]?.ids, ["1", "12", "one"]);
});

test("of what waits for too long accounts are given up before orders, and it is told", async (t) => {
  const lines: string[] = [];
  const says = (text: string, facts?: object) =>
    void lines.push(`${text} ${JSON.stringify(facts)}`);
  const { store, save, writes } = bench({ ...silentLog, error: says, warn: says });
  save("order");
  const most = 100_000;
  for (let i = 0; i < most + 2; i++) store.save("account", `${i} link a b`, undefined);
  t.is(store.waiting, most);
  t.is(store.dropped, 3);
  t.is(lines.length, 1, "told as it begins");
  const written = store.settled();
  await settle();
  // What comes while it is written has its place in the same bound.
  for (let i = 0; i < 10; i++) store.save("account", `later ${i}`, undefined);
  writes[0]?.end(new Fault("db.io", "away"));
  t.false(await written);
  t.deepEqual([store.waiting, store.dropped], [most, 13]);
  const again = store.settled();
  await settle();
  const { ids = [] } = writes[1] ?? {};
  t.deepEqual([ids[0], ids[1], ids.at(-1)], ["order", "13 link a b", "later 9"]);
  writes[1]?.end();
  t.true(await again);
  t.regex(lines.at(-1) ?? "", /"given_up":13/);

  save("another");
  store.drop();
  t.regex(lines.at(-1) ?? "", /another controller leads.*"records":1,"changes":0/);
});

test("of a store in an earlier state all but accounts is written again, until that is done", async (t) => {
  const { store, save, writes } = bench();
  const order = { service: "in_service", by: "alice", at: 0 } as const;
  store.began({ ...nothingSaved(), service: new Map([["before", order]]) });
  save("one");
  save("taken back");
  const first = store.settled();
  await settle();
  writes[0]?.end();
  t.true(await first);
  store.save("service", "taken back", undefined);
  store.save("account", "1", undefined);
  store.writeAll();
  const second = store.settled();
  await settle();
  save("two");
  writes[1]?.end(new Fault("db.io", "away"));
  t.false(await second);
  const third = store.settled();
  await settle();
  writes[2]?.end();
  t.true(await third);
  save("three");
  const fourth = store.settled();
  await settle();
  writes[3]?.end();
  t.true(await fourth);
  t.deepEqual(
    writes.map(({ ids, isAll }) => [ids, isAll]),
    [
      [["one", "taken back"], false],
      [["1", "before", "one"], true],
      [["1", "before", "one", "two"], true],
      [["three"], false],
    ],
  );

  store.writeAll();
  store.drop();
  const nothing = store.settled();
  t.true(await nothing, "another leads: what is there is that one's");
});

test("a database that is away for ten minutes is told a few times, and not at each try", async (t) => {
  const lines: string[] = [];
  const log = { ...silentLog, warn: (line: string) => void lines.push(line) };
  const clock = new ManualClock();
  const write = () => Promise.reject(new Fault("db.io", "away"));
  const store = new Store({ engine: { write }, clock, log, onTrouble: () => {} });
  store.save("service", "one", { service: "in_service", by: "alice", at: 0 });
  for (let i = 0; i < 300; i++) {
    await clock.advance(2_000);
    await settle();
  }
  const told = lines.filter((line) => line === "nothing can be kept").length;
  t.true(told >= 5 && told <= 30, `${told} lines`);
  t.is(store.waiting, 1);
});
