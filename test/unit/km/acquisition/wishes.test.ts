import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { Wishes } from "../../../../src/km/acquisition/wishes.ts";

/** Wishes of a module whose stock a test sets; waits are whole. */
function bench() {
  const state = { stock: 0, room: true };
  let drawn = 0;
  const wishes = new Wishes({
    size: 256,
    number: 10,
    stock: () => state.stock,
    low: 1_000,
    high: 2_000,
    hasRoom: () => state.room,
    firstWaitMs: 200,
    lastWaitMs: 1_000,
    answerTimeout: ms(5_000),
    drawToken: () => `a token, the number ${++drawn}`,
    random: () => 0,
  });
  return { state, wishes };
}

test("keys are asked for from the low mark up to the high one, one request at a time", (t) => {
  const { state, wishes } = bench();
  const first = wishes.next(0);
  t.like(first, { number: 10, size: 256 });
  t.is(wishes.next(1), undefined);
  wishes.answered(2, first?.token as string, "success");
  state.stock = 1_500;
  const second = wishes.next(2);
  t.not(second?.token, first?.token);
  t.truthy(second);
  wishes.answered(3, second?.token as string, "success");
  state.stock = 2_000;
  t.is(wishes.next(3), undefined);
  state.stock = 1_000;
  t.is(wishes.next(4), undefined);
  state.stock = 999;
  t.truthy(wishes.next(5));
  t.is(wishes.asked, 3);
});

test("what is not answered is asked again under its name, and by another name once that may be forgotten", (t) => {
  const { wishes } = bench();
  const first = wishes.next(0);
  t.is(wishes.waitMs(0), 5_000);
  t.is(wishes.next(4_999), undefined);
  t.is(wishes.next(5_000)?.token, first?.token);
  wishes.lost(6_000);
  t.is(wishes.next(6_000)?.token, first?.token);
  wishes.lost(49_999);
  t.is(wishes.next(49_999)?.token, first?.token);
  wishes.lost(50_000);
  t.not(wishes.next(50_000)?.token, first?.token);
  t.is(wishes.asked, 2);
  t.is(wishes.repeated, 3);
  // A late answer to the first is no answer to the second.
  wishes.answered(50_001, first?.token as string, "success");
  t.is(wishes.next(50_001), undefined);
});

test("an answer without keys is followed by waits that grow", (t) => {
  const { wishes } = bench();
  let now = 0;
  const waits: number[] = [];
  for (let i = 0; i < 5; i++) {
    const wish = wishes.next(now);
    wishes.answered(now, wish?.token as string, "no_keys_available");
    waits.push(wishes.waitMs(now));
    now += wishes.waitMs(now);
  }
  t.deepEqual(waits, [200, 400, 800, 1_000, 1_000]);
  t.is(wishes.asked, 5);
  const wish = wishes.next(now);
  wishes.answered(now, wish?.token as string, "success");
  wishes.answered(now, wishes.next(now)?.token as string, "busy");
  t.is(wishes.waitMs(now), 200);
});

test("a node that is busy is asked for the same again", (t) => {
  const { wishes } = bench();
  const wish = wishes.next(0);
  wishes.answered(0, wish?.token as string, "busy");
  t.is(wishes.next(199), undefined);
  t.is(wishes.next(200)?.token, wish?.token);
});

test("nothing is asked for that could not be stored", (t) => {
  const { state, wishes } = bench();
  state.room = false;
  t.is(wishes.next(0), undefined);
  state.room = true;
  t.truthy(wishes.next(0));
});
