import test from "ava";
import { ReadingPaces } from "../../../../src/host/door/reading-pace.ts";
import { ManualClock } from "../../../clock.ts";

const rules = { burst: 1_000, perSecond: 100, together: 2 };

test("who sends more than it may waits for what is over, is told of once an hour, and another does not wait", async (t) => {
  const clock = new ManualClock();
  const told: string[] = [];
  const paces = new ReadingPaces(rules, clock, (name) => told.push(name));
  t.is(paces.of("a").take(1_000), 0);
  t.is(paces.of("a").take(50), 500);
  t.is(paces.of("b").take(1_000), 0);
  await clock.advance(500);
  t.is(paces.of("a").take(10), 100);
  t.deepEqual(told, ["a"]);
  await clock.advance(3_600_000);
  t.is(paces.of("a").take(1_001), 10);
  t.deepEqual(told, ["a", "a"]);
});

test("many who send too much get no more together than a few may have", (t) => {
  let now = 0;
  const paces = new ReadingPaces(rules, { now: () => now }, () => {});
  const due = new Map(Array.from({ length: 20 }, (_, i) => [`km-${i}`, 0]));
  let read = 0;
  for (const name of due.keys()) paces.of(name).take(1_000);
  for (const seconds = 100; now < seconds * 1_000; now++) {
    for (const [name, at] of due) {
      if (at > now) continue;
      read += 50;
      due.set(name, now + paces.of(name).take(50));
    }
  }
  const perSecond = read / 100;
  t.true(perSecond > 150 && perSecond < 250, `${perSecond}`);
  // One that sends little is as free as ever.
  t.is(paces.of("other").take(1_000), 0);
});
