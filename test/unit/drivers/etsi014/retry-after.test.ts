import test from "ava";
import { longestRetryMs, retryAfterOf } from "../../../../drivers/etsi014/retry-after.ts";

const wall = Date.parse("2026-06-03T12:00:00Z");

for (const [header, ms] of [
  [undefined, undefined],
  ["", undefined],
  ["0", 0],
  ["7", 7_000],
  ["86400", longestRetryMs],
  ["9".repeat(400), longestRetryMs],
  ["-1", undefined],
  ["1e300", undefined],
  ["0x10", undefined],
  ["0.5", undefined],
  ["Wed, 03 Jun 2026 12:00:05 GMT", 5_000],
  ["Wed, 03 Jun 2026 11:00:00 GMT", 0],
  ["Fri, 31 Dec 2099 23:59:59 GMT", longestRetryMs],
  ["Wed, not a date GMT", undefined],
] as const) {
  test(`Retry-After: ${String(header).slice(0, 40)}`, (t) => {
    t.is(retryAfterOf(header, wall), ms);
  });
}
