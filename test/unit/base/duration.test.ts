import test from "ava";
import {
  type Duration,
  minutes,
  ms,
  seconds,
  toMs,
  toSeconds,
} from "../../../src/base/duration.ts";

test("a duration is the same however its unit was said", (t) => {
  t.is(seconds(90), ms(90_000));
  t.is(minutes(1.5), seconds(90));
  t.is(toMs(seconds(0.05)), 50);
  t.is(toSeconds(ms(1_500)), 1.5);
});

test("no time at all is a duration", (t) => {
  t.is(toMs(seconds(0)), 0);
});

test("what is negative, endless or no number is no duration", (t) => {
  for (const count of [-1, Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const make of [ms, seconds, minutes])
      t.throws(() => make(count), { instanceOf: RangeError });
  }
  t.throws(() => minutes(Number.MAX_VALUE), { instanceOf: RangeError });
});

test("a plain number is not taken for a duration, and a duration is taken for milliseconds", (t) => {
  const wait = (limit: Duration) => toMs(limit);
  const waitMs = (limit: number) => limit;
  // @ts-expect-error: the unit of a plain number is not known.
  t.is(wait(10), 10);
  // @ts-expect-error: neither is that of what was calculated.
  t.is(wait(seconds(1) / 2), 500);
  t.is(waitMs(seconds(10)), 10_000);
});
