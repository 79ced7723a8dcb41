import test from "ava";
import { Cadence } from "../../../../src/km/io/engine/cadence.ts";
import { ManualClock } from "../../../clock.ts";

/** Whether the next cycle has begun. */
async function begins(cadence: Cadence): Promise<() => boolean> {
  let begun = false;
  void cadence.next().then(() => {
    begun = true;
  });
  await null;
  await null;
  return () => begun;
}

test("after a pause a cycle begins at once, the next one after its time", async (t) => {
  const clock = new ManualClock();
  const cadence = new Cadence(clock, 5);
  t.true((await begins(cadence))());
  const second = await begins(cadence);
  t.false(second());
  await clock.advance(5);
  t.true(second());
});

test("what an application waits for begins one at once", async (t) => {
  const clock = new ManualClock();
  const cadence = new Cadence(clock, 5);
  await begins(cadence);
  const second = await begins(cadence);
  t.false(second());
  cadence.hurry();
  await null;
  await null;
  await null;
  t.true(second());
  // It was said before there was anything to wait for.
  cadence.hurry();
  t.true((await begins(cadence))());
});

test("what is to be durable soon begins a cycle within its time, with what comes until then", async (t) => {
  const clock = new ManualClock();
  const cadence = new Cadence(clock, 10);
  await begins(cadence);
  const second = await begins(cadence);
  cadence.hurry(2);
  // Who has more time than that changes nothing.
  cadence.hurry(5);
  await clock.advance(1);
  t.false(second());
  await clock.advance(1);
  t.true(second());
  const third = await begins(cadence);
  await clock.advance(9);
  t.false(third());
  await clock.advance(1);
  t.true(third());
});
