import test from "ava";
import { Progress } from "../../../../src/host/life/progress.ts";
import { watchProgress } from "../../../../src/km/wiring/progress.ts";
import { ManualClock } from "../../../clock.ts";

const second = 1_000;

function world() {
  const clock = new ManualClock();
  const progress = new Progress();
  const intake = { inFlight: { keys: 0, bytes: 0 }, answered: 0 };
  const waiting: (() => void)[] = [];
  const store = { isStuck: false };
  const timer = watchProgress(
    progress,
    intake,
    { commit: (_change, done = () => {}) => void (store.isStuck ? waiting.push(done) : done()) },
    clock,
  );
  /** As the supervisor asks: once a second. */
  const stuckAfter = async (seconds: number) => {
    let names: string[] = [];
    for (let i = 0; i < seconds; i++) {
      await clock.advance(second);
      names = progress.stuck(clock.now());
    }
    return names;
  };
  return { intake, store, waiting, timer, stuckAfter, clock };
}

test("a key manager without anything to do makes progress", async (t) => {
  const { stuckAfter, timer, clock } = world();
  t.deepEqual(await stuckAfter(600), []);
  timer.cancel();
  t.is(clock.timers, 0);
});

test("a store that makes nothing durable for a minute is stuck, and not after it went on", async (t) => {
  const { store, waiting, stuckAfter, timer } = world();
  store.isStuck = true;
  t.deepEqual(await stuckAfter(50), []);
  t.is(timer.stalledMs(), 49 * second);
  t.deepEqual(await stuckAfter(15), ["store"]);
  t.is(waiting.length, 1, "it is asked once at a time");
  store.isStuck = false;
  waiting[0]?.();
  t.deepEqual(await stuckAfter(120), []);
  t.is(timer.stalledMs(), 0);
});

test("a store that answers late is stalled after three seconds, until it answers", async (t) => {
  const { store, waiting, stuckAfter, timer } = world();
  store.isStuck = true;
  await stuckAfter(3);
  t.false(timer.isStalled());
  await stuckAfter(1);
  t.true(timer.isStalled());
  waiting[0]?.();
  t.false(timer.isStalled());
});

test("keys that came and get no answer are no progress; answers to others are", async (t) => {
  const { intake, stuckAfter } = world();
  intake.inFlight = { keys: 10, bytes: 320 };
  for (let i = 0; i < 4; i++) {
    t.deepEqual(await stuckAfter(25), []);
    intake.answered++;
  }
  t.deepEqual(await stuckAfter(40), ["intake"]);
});
