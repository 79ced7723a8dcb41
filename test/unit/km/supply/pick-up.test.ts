/** Which bound keys have waited too long, without a look at the others. */
import test from "ava";
import type { Together } from "../../../../src/km/store/shapes.ts";
import { PickUp, type Waiting } from "../../../../src/km/supply/pick-up.ts";

const key = (id: string, pickUp = 1): Waiting => ({ id, count: 1, pickUp });
const lateOf = (pickUp: PickUp, now: number) => [...pickUp.late(now)].map(({ id }) => id);

test("keys are late after their own time, and those of other times are not in their way", (t) => {
  const pickUp = new PickUp();
  const [long, short, later] = [key("long", 100), key("short"), key("later")];
  pickUp.begin(long, 0);
  pickUp.begin(short, 500);
  pickUp.begin(later, 900);
  t.deepEqual(lateOf(pickUp, 1_499), []);
  t.deepEqual(lateOf(pickUp, 1_500), ["short"]);
  t.deepEqual(lateOf(pickUp, 2_000), ["short", "later"]);
  t.deepEqual(lateOf(pickUp, 100_000), ["long", "short", "later"]);
  t.true(pickUp.isLate(short, 1_500));
  t.false(pickUp.isLate(later, 1_500));
  t.false(pickUp.isLate(key("unknown"), 1e9));
});

test("a key that begins anew has all of its time again, and does not hide those behind it", (t) => {
  const pickUp = new PickUp();
  const [first, second] = [key("first"), key("second")];
  pickUp.begin(first, 0);
  pickUp.begin(second, 100);
  pickUp.begin(first, 800);
  t.deepEqual(lateOf(pickUp, 1_100), ["second"]);
  t.deepEqual(lateOf(pickUp, 1_800), ["second", "first"]);
});

test("each may be ended while it is looked at", (t) => {
  const pickUp = new PickUp();
  for (let i = 0; i < 5; i++) pickUp.begin(key(`${i}`), i);
  const seen: string[] = [];
  for (const one of pickUp.late(2_000)) {
    seen.push(one.id);
    pickUp.end(one);
  }
  t.deepEqual(seen, ["0", "1", "2", "3", "4"]);
  t.deepEqual(lateOf(pickUp, 2_000), []);
});

test("one that waits for ever holds up none of the others, and their places are given back", (t) => {
  const pickUp = new PickUp();
  pickUp.begin(key("for ever", 1e6), 0);
  const held = key("held", 1e6);
  for (let i = 1; i <= 100_000; i++) {
    const one = key(`${i}`, 1e6);
    pickUp.begin(one, i);
    if (i === 50_000) pickUp.begin(held, i);
    pickUp.end(one);
  }
  t.deepEqual(lateOf(pickUp, 1e9 + 49_999), ["for ever"]);
  t.deepEqual(lateOf(pickUp, 1e9 + 50_000), ["for ever", "held"]);
  pickUp.end(held);
  t.deepEqual(lateOf(pickUp, 1e10), ["for ever"]);
});

test("several that began together are one until each has ended, and one that begins anew has a time of its own", (t) => {
  const pickUp = new PickUp();
  const run: Together = { id: "run", count: 3, pickUp: 1 };
  const parts = ["a", "b", "c"].map((id): Waiting => ({ ...key(id), run }));
  const [a, b, c] = parts as [Waiting, Waiting, Waiting];
  pickUp.begin({ ...key("run"), count: 3, run }, 0);
  t.deepEqual(lateOf(pickUp, 1_000), ["run"]);
  t.true(parts.every((one) => pickUp.isLate(one, 1_000)));
  pickUp.begin(b, 500);
  t.false(pickUp.isLate(b, 1_499));
  t.deepEqual(lateOf(pickUp, 1_500), ["run", "b"]);
  pickUp.end(a);
  t.deepEqual(lateOf(pickUp, 1_500), ["run", "b"]);
  pickUp.end(c);
  t.deepEqual(lateOf(pickUp, 1_500), ["b"]);
  pickUp.end(b);
  t.deepEqual(lateOf(pickUp, 1e9), []);
  // Forgotten without an end of each.
  const other: Together = { id: "other", count: 2, pickUp: 1 };
  pickUp.begin({ ...key("other"), count: 2, run: other }, 0);
  pickUp.end(other);
  pickUp.end(other);
  t.deepEqual(lateOf(pickUp, 1e9), []);
});
