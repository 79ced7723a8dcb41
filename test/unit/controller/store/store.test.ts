/** What waits to be written, with a database in the test's hands. */
import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Store } from "../../../../src/controller/io/store/store.ts";
import { ManualClock, settle } from "../../../clock.ts";

function bench() {
  const writes: { readonly ids: readonly string[]; readonly end: (why?: Fault) => void }[] = [];
  const store = new Store({
    engine: {
      write: (records) =>
        new Promise((resolve, reject) => {
          const ids = records.map(({ id }) => id);
          writes.push({ ids, end: (why) => (why === undefined ? resolve() : reject(why)) });
        }),
    },
    clock: new ManualClock(),
    log: silentLog,
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
    [["one"], ["two"], ["three", "two"]],
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
  t.deepEqual(writes[1]?.ids, ["12", "one", "1"]);
});
