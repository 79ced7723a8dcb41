/** Which bound keys have waited too long, without a look at the others. */
import test from "ava";
import { PickUp } from "../../../../src/km/supply/pick-up.ts";

const lateOf = (pickUp: PickUp, now: number) => [...pickUp.late(now)].map(({ id }) => id);

test("keys are late after their own time, and those of other times are not in their way", (t) => {
  const pickUp = new PickUp();
  pickUp.begin({ id: "long", pickUp: 100 }, 0);
  pickUp.begin({ id: "short", pickUp: 1 }, 500);
  pickUp.begin({ id: "later", pickUp: 1 }, 900);
  t.deepEqual(lateOf(pickUp, 1_499), []);
  t.deepEqual(lateOf(pickUp, 1_500), ["short"]);
  t.deepEqual(lateOf(pickUp, 2_000), ["short", "later"]);
  t.deepEqual(lateOf(pickUp, 100_000), ["long", "short", "later"]);
  t.true(pickUp.isLate({ id: "short", pickUp: 1 }, 1_500));
  t.false(pickUp.isLate({ id: "later", pickUp: 1 }, 1_500));
  t.false(pickUp.isLate({ id: "unknown", pickUp: 1 }, 1e9));
});

test("a key that begins anew has all of its time again, and does not hide those behind it", (t) => {
  const pickUp = new PickUp();
  pickUp.begin({ id: "first", pickUp: 1 }, 0);
  pickUp.begin({ id: "second", pickUp: 1 }, 100);
  pickUp.begin({ id: "first", pickUp: 1 }, 800);
  t.deepEqual(lateOf(pickUp, 1_100), ["second"]);
  t.deepEqual(lateOf(pickUp, 1_800), ["second", "first"]);
});

test("each may be ended while it is looked at", (t) => {
  const pickUp = new PickUp();
  for (let i = 0; i < 5; i++) pickUp.begin({ id: `${i}`, pickUp: 1 }, i);
  const seen: string[] = [];
  for (const one of pickUp.late(2_000)) {
    seen.push(one.id);
    pickUp.end(one);
  }
  t.deepEqual(seen, ["0", "1", "2", "3", "4"]);
  t.deepEqual(lateOf(pickUp, 2_000), []);
});
