import test from "ava";
import { EventHistory } from "../../../../src/ops/events/event-history.ts";

const event = (type: string, routine = false) => ({ type, at: 0, facts: {}, routine });
const types = (events: readonly { readonly type: string }[]) => events.map(({ type }) => type);

test("the last events come back, oldest first", (t) => {
  const history = new EventHistory(3);
  t.deepEqual(history.recent(10), []);
  for (const type of ["a", "b", "c", "d"]) history.add(event(type));
  t.deepEqual(types(history.recent(10)), ["b", "c", "d"]);
  t.deepEqual(types(history.recent(2)), ["c", "d"]);
  t.deepEqual(history.recent(0), []);
  t.is(history.sequence, 4);
  t.deepEqual(types(history.after(3)), ["d"]);
  t.deepEqual(types(history.after(0)), ["b", "c", "d"]);
  t.deepEqual(history.after(4), []);
});

test("routine events push out routine events only, and stay in order", (t) => {
  const history = new EventHistory(2);
  history.add(event("module_down"));
  for (let i = 0; i < 1_000; i++) history.add(event(`block ${i}`, true));
  history.add(event("module_up"));
  const all = ["module_down", "block 998", "block 999", "module_up"];
  t.deepEqual(types(history.recent(10)), all);
  t.deepEqual(
    history.recent(10).map(({ sequence }) => sequence),
    [1, 1_000, 1_001, 1_002],
  );
});
