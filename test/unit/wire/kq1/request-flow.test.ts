import test from "ava";
import { RequestFlow, unreadTimeout } from "../../../../src/wire/kq1/request-flow.ts";
import { ManualClock } from "../../../clock.ts";

const mebibyte = 1_048_576;

function made() {
  const clock = new ManualClock();
  const told: string[] = [];
  const flow = new RequestFlow({
    clock,
    pause: () => told.push("pause"),
    resume: () => told.push("resume"),
    stalled: () => told.push("stalled"),
  });
  return { clock, told, flow };
}

test("256 requests may wait, and 4 MiB of answers; what ends makes room", (t) => {
  const { flow } = made();
  for (let n = 0; n < 256; n++) t.true(flow.begin(1));
  t.false(flow.begin(1));
  flow.end(1);
  t.true(flow.begin(1));
  const big = made().flow;
  t.true(big.begin(4 * mebibyte));
  t.false(big.begin(1));
  big.end(4 * mebibyte);
  big.waits(mebibyte);
  t.false(big.begin(3 * mebibyte + 1), "what the KM has not read counts");
  t.true(big.begin(3 * mebibyte));
});

test("a KM that leaves answers unread is not read from until half of them are gone", async (t) => {
  const { flow, told, clock } = made();
  flow.waits(mebibyte);
  flow.check();
  t.false(flow.isHeld);
  flow.waits(1);
  flow.check();
  flow.check();
  t.true(flow.isHeld);
  t.deepEqual(told, ["pause"]);
  flow.taken(1);
  t.true(flow.isHeld);
  flow.taken(mebibyte / 2);
  t.deepEqual(told, ["pause", "resume"]);
  t.is(clock.timers, 0);
  flow.waits(mebibyte);
  flow.check();
  await clock.advance(unreadTimeout - 1);
  flow.taken(1);
  await clock.advance(unreadTimeout - 1);
  t.false(told.includes("stalled"), "it reads, if slowly");
  await clock.advance(1);
  t.is(told.at(-1), "stalled");
});

test("a KM whose requests are refused a thousand times is heard again in the next second", async (t) => {
  const { flow, told, clock } = made();
  await clock.advance(5_000);
  for (let n = 0; n < 1_023; n++) flow.refused();
  flow.check();
  t.false(flow.isHeld);
  flow.refused();
  flow.check();
  t.deepEqual(told, ["pause"]);
  await clock.advance(999);
  t.true(flow.isHeld);
  await clock.advance(1);
  t.deepEqual(told, ["pause", "resume"]);
  flow.refused();
  flow.check();
  t.false(flow.isHeld, "a second of its own");
});
