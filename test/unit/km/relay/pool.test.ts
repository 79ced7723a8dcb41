import test from "ava";
import { RelayPool, rateAt } from "../../../../src/km/relay/pool.ts";

/** Runs a pool for some seconds; what it wants comes at once. @returns bytes that were begun */
function run(pool: RelayPool, seconds: number, usedPerS: number, wall = 0): number {
  let stock = 0;
  let begun = 0;
  let came = 0;
  for (let tick = 0; tick <= seconds * 10; tick++) {
    const due = pool.due(tick * 100, wall + tick * 100, stock, came, 0);
    pool.begun(due);
    came = due;
    begun += due;
    stock = Math.max(0, stock + due - usedPerS / 10);
  }
  return begun;
}

test("manual: nothing is relayed unasked", (t) => {
  t.is(run(new RelayPool({ kind: "manual" }, 1e9), 100, 1_000), 0);
});

test("fixed rate: so much a second, and not over the limit of stock", (t) => {
  const begun = run(new RelayPool({ kind: "fixed_rate", rate: 8_000 }, 1e9), 60, 0);
  t.true(Math.abs(begun - 60_000) < 1_500, `${begun}`);
  t.is(Math.round(run(new RelayPool({ kind: "fixed_rate", rate: 8_000 }, 80_000), 60, 0)), 10_000);
});

test("adaptive: at least the low mark, and a minute of what is used of late", (t) => {
  t.is(run(new RelayPool({ kind: "adaptive", low: 8_000 }, 1e9), 10, 0), 1_000);
  const busy = run(new RelayPool({ kind: "adaptive", low: 8_000 }, 1e9), 300, 500);
  // What was used in 300 s, and stock for the next 60.
  t.true(busy > 300 * 500 + 20_000 && busy < 300 * 500 + 35_000, `${busy}`);
});

test("an outage is not made up for at once", (t) => {
  const pool = new RelayPool({ kind: "fixed_rate", rate: 8_000 }, 1e9);
  pool.due(0, 0, 0, 0, 0);
  t.is(pool.due(3_600_000, 0, 0, 0, 0), 10_000);
});

test("scheduled: the hours of the day by UTC, also over midnight", (t) => {
  const hours = [
    { from: 22 * 60, until: 6 * 60, rate: 1_000 },
    { from: 5 * 60, until: 7 * 60, rate: 3_000 },
  ];
  const at = (hour: number) => rateAt(hours, hour * 3_600_000);
  t.deepEqual([21, 22, 0, 4, 5, 6, 7].map(at), [0, 1_000, 1_000, 1_000, 3_000, 3_000, 0]);
  t.is(run(new RelayPool({ kind: "scheduled", hours }, 1e9), 60, 0, 12 * 3_600_000), 0);
});
