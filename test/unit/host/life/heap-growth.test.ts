import { setFlagsFromString } from "node:v8";
import test from "ava";
import { growHeap, growthOf } from "../../../../src/host/life/heap-growth.ts";
import { ManualClock } from "../../../clock.ts";

const mb = 1_000_000;

test("a small heap may grow to four times, and a large one by 40 MB or three quarters", (t) => {
  const grown = [5, 13, 40, 50, 200].map((live) => [live, growthOf(live * mb)]);
  t.deepEqual(grown, [
    [5, 300],
    [13, 300],
    [40, 100],
    [50, 80],
    [200, 75],
  ]);
});

test("it is looked at again and again until that is called off", async (t) => {
  const clock = new ManualClock();
  const growing = growHeap(clock);
  await clock.advance(60_000);
  growing.cancel();
  t.is(clock.timers, 0);
  // As V8 does by itself.
  setFlagsFromString("--heap-growing-percent=0");
});
