import test from "ava";
import { KeyAllowance } from "../../../../src/km/applications/allowance.ts";

const rate = { keysPerS: 10, burst: 20 };

test("so many at once, and so many a second in the long run", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 20, rate, 0), 0);
  t.is(allowance.take("a", 1, rate, 0), 1);
  t.is(allowance.take("a", 1, rate, 99), 1);
  t.is(allowance.take("a", 1, rate, 100), 0);
  t.is(allowance.take("a", 15, rate, 100), 2);
  t.is(allowance.take("a", 15, rate, 1_600), 0);
  // It fills up to what may be had at once, and no further.
  t.is(allowance.take("a", 20, rate, 1_000_000), 0);
  t.is(allowance.take("a", 1, rate, 1_000_000), 1);
});

test("what is refused costs nothing", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 20, rate, 0), 0);
  for (let i = 0; i < 100; i++) t.is(allowance.take("a", 10, rate, 0), 1);
  t.is(allowance.take("a", 10, rate, 1_000), 0);
});

test("more than its burst at once an application has when it had none for a while, and pays it off", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 50, rate, 0), 0);
  // 30 keys are owed: 3 s for them, then one more.
  t.is(allowance.take("a", 1, rate, 0), 4);
  t.is(allowance.take("a", 1, rate, 3_000), 1);
  t.is(allowance.take("a", 1, rate, 3_100), 0);
  t.is(allowance.take("a", 50, rate, 5_000), 1);
  t.is(allowance.take("a", 50, rate, 5_100), 0);
});

test("each has its own, and a smaller burst of a table that was read anew holds at once", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 20, rate, 0), 0);
  t.is(allowance.take("b", 20, rate, 0), 0);
  t.is(allowance.take("a", 5, rate, 10_000), 0);
  t.is(allowance.take("a", 6, { keysPerS: 10, burst: 5 }, 10_000), 0);
  t.is(allowance.take("a", 1, { keysPerS: 10, burst: 5 }, 10_000), 1);
});

test("who is in the table no more is forgotten", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 20, rate, 0), 0);
  t.is(allowance.take("b", 20, rate, 0), 0);
  allowance.keep((id) => id === "b");
  t.is(allowance.take("a", 20, rate, 0), 0);
  t.is(allowance.take("b", 1, rate, 0), 1);
});

test("keys that it was to have, and had not, may be asked for again at once", (t) => {
  const allowance = new KeyAllowance();
  t.is(allowance.take("a", 20, rate, 0), 0);
  allowance.giveBack("a", 20);
  t.is(allowance.take("a", 20, rate, 0), 0);
  // No more than there were.
  allowance.giveBack("b", 20);
  t.is(allowance.take("b", 20, rate, 0), 0);
  t.is(allowance.take("b", 1, rate, 0), 1);
});
