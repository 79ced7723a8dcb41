import test from "ava";
import { LinkLife, stallTimeout } from "../../../../drivers/link/life.ts";
import { ManualClock } from "../../../clock.ts";

test("a device that takes nothing is given up after two seconds, and let go of within one more", async (t) => {
  const clock = new ManualClock();
  let shut = 0;
  const life = new LinkLife("device", clock, () => {
    shut++;
    return new Promise(() => {});
  });
  let over = false;
  void life.ended.then(() => {
    over = true;
  });
  life.queued(100);
  // More bytes in the queue are no progress of the device.
  for (let ms = 0; ms < stallTimeout - 1; ms += 500) {
    await clock.advance(Math.min(500, stallTimeout - 1 - ms));
    life.queued(10);
  }
  t.false(over);
  await clock.advance(1);
  t.true(over);
  t.like(await life.ended, { code: "link.stalled", facts: { source: "device", limit_ms: 2_000 } });
  t.is(shut, 1);
  let closed = false;
  void life.close().then(() => {
    closed = true;
  });
  await clock.advance(999);
  t.false(closed);
  await clock.advance(1);
  t.true(closed);
  t.is(shut, 1);
});

test("a device that takes a little now and then is waited for", async (t) => {
  const clock = new ManualClock();
  const life = new LinkLife("device", clock, () => Promise.resolve());
  life.queued(100);
  for (let i = 0; i < 99; i++) {
    await clock.advance(stallTimeout - 1);
    life.taken(1);
  }
  t.false(life.over);
  life.taken(1);
  await clock.advance(60_000);
  t.false(life.over, "nothing waits: nothing can stall");
  t.is(clock.timers, 0);
});

test("a link ends once: with its first fault, or in order", async (t) => {
  const clock = new ManualClock();
  const faulty = new LinkLife("device", clock, () => Promise.reject(new Error("stuck")));
  const first = new Error("first");
  faulty.finish(first);
  faulty.finish(new Error("second"));
  t.is(await faulty.ended, first);
  const closing = faulty.close();
  await clock.advance(1_000);
  await closing;
  const orderly = new LinkLife("device", clock, () => Promise.resolve());
  await Promise.all([orderly.close(), orderly.close()]);
  t.is(await orderly.ended, undefined);
  t.is(clock.timers, 0);
});
