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
