import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import { type Memory, processMemory, trimMemory } from "../../../../src/host/life/memory-trim.ts";
import { ManualClock } from "../../../clock.ts";

const mb = 1_000_000;
const minute = 60_000;

/** @param needed what stays when all else is given back, bytes */
function bench(needed: number) {
  const clock = new ManualClock();
  const state = { own: 60 * mb, needed, given: 0 };
  const memory: Memory = {
    own: () => state.own,
    giveBack: () => {
      state.given++;
      state.own = state.needed;
    },
  };
  const timer = trimMemory(memory, clock, silentLog);
  return { clock, state, timer };
}

test("what the start and bursts left behind is given back, and not more often than it may be", async (t) => {
  const { clock, state, timer } = bench(45 * mb);
  await clock.advance(3_000);
  t.is(state.given, 1);
  await clock.advance(minute);
  t.is(state.given, 1);
  state.own = 50 * mb;
  await clock.advance(60 * minute);
  t.is(state.given, 1, "a little more is no burst");
  state.own = 60 * mb;
  await clock.advance(minute);
  t.is(state.given, 2);
  state.own = 60 * mb;
  await clock.advance(8 * minute);
  t.is(state.given, 2);
  await clock.advance(2 * minute);
  t.is(state.given, 3);
  timer.cancel();
});

test("memory that is in use is not asked for again and again", async (t) => {
  const { clock, state, timer } = bench(45 * mb);
  await clock.advance(minute);
  state.needed = 80 * mb;
  state.own = 90 * mb;
  await clock.advance(180 * minute);
  t.is(state.given, 2);
  timer.cancel();
});

test("a process has memory of its own, and gives back what a burst left", (t) => {
  let burst: unknown = Array.from({ length: 400_000 }, (_, i) => ({ name: `${i}` }));
  const full = processMemory.own();
  t.truthy(burst);
  burst = undefined;
  processMemory.giveBack();
  t.true(processMemory.own() < full - 10 * mb);
  t.is((globalThis as { gc?: unknown }).gc, undefined, "and nobody else can ask for it");
});
