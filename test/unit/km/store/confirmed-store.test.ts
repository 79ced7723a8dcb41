import test from "ava";
import { ConfirmedStore } from "../../../../src/km/store/confirmed-store.ts";
import type { Change, KeyStore } from "../../../../src/km/store/port.ts";

/** A store that takes note of what is committed; and IDs that become durable when the test says so. */
function bench() {
  const committed: Change[] = [];
  const store = { commit: (change: Change) => void committed.push(change) } as unknown as KeyStore;
  const confirmed = new ConfirmedStore(store);
  const confirming = (...handles: number[]) => {
    let durable = () => {};
    confirmed.confirming(Float64Array.from(handles), (done) => {
      durable = done;
    });
    return () => durable();
  };
  return { confirmed, committed, confirming };
}

const extent = (...handles: number[]) => ({ link: "ab", number: 1, length: 1, handles });

test("keys leave when it is durable that their IDs were confirmed; what takes none out need not wait", (t) => {
  const { confirmed, committed, confirming } = bench();
  const first = confirming(1, 2);
  confirmed.commit({ rows: [] });
  t.is(committed.length, 1);
  confirmed.commit({ dropped: [2] });
  t.is(committed.length, 1);
  first();
  t.is(committed.length, 2);
  const second = confirming(3);
  confirmed.commit({ extents: [extent(1, 2)] });
  t.is(committed.length, 3);
  confirmed.commit({ extents: [extent(1), extent(3)] });
  t.is(committed.length, 3);
  second();
  t.is(committed.length, 4);
});

test("what comes after a change that waits, waits with it", (t) => {
  const { confirmed, committed, confirming } = bench();
  const [first, second] = [confirming(1), confirming(2)];
  const changes: Change[] = [{ dropped: [1] }, { rows: [] }, { dropped: [2] }, { dropped: [1] }];
  for (const change of changes) confirmed.commit(change);
  // Another module's file may be quicker: those before it count.
  second();
  t.deepEqual(committed, []);
  first();
  t.deepEqual(committed, changes);
});

test("one by one they leave in their order", (t) => {
  const { confirmed, committed, confirming } = bench();
  const [first, second] = [confirming(1), confirming(2)];
  const changes: Change[] = [{ dropped: [1] }, { rows: [] }, { dropped: [2] }, { rows: [] }];
  for (const change of changes) confirmed.commit(change);
  first();
  t.deepEqual(committed, changes.slice(0, 2));
  second();
  t.deepEqual(committed, changes);
});
