import test from "ava";
import { Bucket, Buckets } from "../../../src/base/bucket.ts";
import { createLog } from "../../../src/base/log.ts";
import { LogLimit, tellLeftOutAfter } from "../../../src/base/log-limit.ts";
import { ManualClock } from "../../clock.ts";

function limited() {
  const lines: string[] = [];
  const clock = new ManualClock();
  const log = createLog((line) => lines.push(line), "info");
  return { lines, clock, log, limit: new LogLimit(log, clock) };
}

test("a peer that causes a line a thousand times has a few of them, and one that counts the others", async (t) => {
  const { lines, clock, limit } = limited();
  for (let n = 0; n < 1_000; n++) limit.warn("10.0.0.5", "refused", { n });
  t.is(lines.length, 5);
  t.is(lines[0], 'level=warn msg="refused" from=10.0.0.5 n=0');
  await clock.advance(tellLeftOutAfter);
  t.is(
    lines[5],
    'level=warn msg="lines were left out" lines=995 peers=1 most_from=10.0.0.5 most_of=refused most_lines=995',
  );
  await clock.advance(10 * tellLeftOutAfter);
  t.is(lines.length, 6);
  t.is(clock.timers, 0);
});

test("one peer's flood costs another no line, nor the same peer those of another kind", (t) => {
  const { lines, limit } = limited();
  for (let n = 0; n < 1_000; n++) limit.warn("10.0.0.5", "refused");
  limit.warn("10.0.0.6", "refused");
  limit.warn("10.0.0.5", "wrong password");
  t.is(lines.length, 7);
});

test("a line is written again once some time went by", async (t) => {
  const { lines, clock, limit } = limited();
  for (let n = 0; n < 6; n++) limit.warn("a", "refused");
  await clock.advance(tellLeftOutAfter);
  t.is(lines.length, 6);
  for (let n = 0; n < 6; n++) limit.warn("a", "refused");
  t.is(lines.length, 8);
});

test("peers that are ever others cause no more lines than all may, and are counted in bounded memory", async (t) => {
  const { lines, clock, limit } = limited();
  for (let n = 0; n < 100_000; n++) limit.warn(`10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`, "no");
  t.true(lines.length <= 60, String(lines.length));
  await clock.advance(tellLeftOutAfter);
  t.regex(lines.at(-1) ?? "", /lines=99940 peers=512 /);
});

test("who connects anew to the same log has no new allowance", (t) => {
  const { lines, clock, log } = limited();
  for (let n = 0; n < 100; n++) LogLimit.of(log, clock).warn("km", "refused");
  t.is(lines.length, 5);
});

test("an allowance fills up with time, and not beyond what it was", (t) => {
  const bucket = new Bucket({ burst: 2, refillMs: 10 }, 0);
  t.deepEqual(
    [0, 0, 0, 9, 10, 10, 1_000, 1_000, 1_000].map((now) => bucket.take(now)),
    [true, true, false, false, true, false, true, true, false],
  );
});

test("a table of allowances stays as small as it was made, and forgets who is idle", (t) => {
  const buckets = new Buckets({ burst: 1, refillMs: 1_000 }, 10);
  for (let n = 0; n < 1_000; n++) buckets.take(`a${n}`, 0);
  t.is(buckets.size, 11);
  t.false(buckets.take("one more", 1));
  t.true(buckets.take("one more", 2_000));
  t.true(buckets.size <= 2);
});
