/** When a module's last key came, as the manager is told. */
import test from "ava";
import { Tally } from "../../../../src/km/manager/tally.ts";

test("the time of the last key is that of the clock as it is now", (t) => {
  const tally = new Tally();
  t.is(tally.lastKeyAt("m", { now: 0, wall: 0 }), undefined);
  tally.received("m", 1_000);
  t.is(tally.lastKeyAt("m", { now: 1_000, wall: 500_000 }), 500_000);
  t.is(tally.lastKeyAt("m", { now: 3_000, wall: 502_000 }), 500_000);
  // It was a day ahead when the key came, and is right since.
  t.is(tally.lastKeyAt("m", { now: 4_000, wall: 503_000 - 86_400_000 }), 500_000 - 86_400_000);
});
