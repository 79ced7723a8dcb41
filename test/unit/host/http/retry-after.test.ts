import test from "ava";
import { retryAfterOf } from "../../../../src/host/http/retry-after.ts";

const most = 60_000;
const wall = Date.parse("2026-06-03T12:00:00Z");

for (const [header, ms] of [
  [undefined, undefined],
  ["", undefined],
  ["0", 0],
  ["7", 7_000],
  ["86400", most],
  ["9".repeat(400), most],
  ["-1", undefined],
  ["1e300", undefined],
  ["0x10", undefined],
  ["0.5", undefined],
  ["Wed, 03 Jun 2026 12:00:05 GMT", 5_000],
  ["Wed, 03 Jun 2026 11:00:00 GMT", 0],
  ["Fri, 31 Dec 2099 23:59:59 GMT", most],
  ["Wed, not a date GMT", undefined],
] as const) {
  test(`Retry-After: ${String(header).slice(0, 40)}`, (t) => {
    t.is(retryAfterOf(header, wall, { most }), ms);
  });
}

test("Retry-After: no sooner than the least, also by a date that has passed", (t) => {
  const limits = { least: 10_000, most };
  t.is(retryAfterOf("1", wall, limits), 10_000);
  t.is(retryAfterOf("Wed, 03 Jun 2026 11:00:00 GMT", wall, limits), 10_000);
  t.is(retryAfterOf("Wed, 03 Jun 2026 12:00:30 GMT", wall, limits), 30_000);
  t.is(retryAfterOf(undefined, wall, limits), undefined);
});
