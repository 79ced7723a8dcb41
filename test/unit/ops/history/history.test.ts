import test from "ava";
import { dayStepMs, TelemetryHistory } from "../../../../src/ops/history/history.ts";
import { RateMeter } from "../../../../src/ops/history/rate.ts";

const second = 1_000;
const hour = 3_600 * second;
const close = (a: number | undefined, b: number) => Math.abs((a as number) - b) < 1e-6;

test("the last hour is there at the rate at which it came", (t) => {
  const history = new TelemetryHistory(["qber"]);
  for (let s = 0; s < 3_600; s++) history.add({ qber: s / 10_000 }, s * second);
  const { start, curves } = history.query(["qber"], 3_599 * second, hour, second);
  t.is(start, 0);
  t.is(curves.qber.mean.length, 3_600);
  for (const s of [0, 1, 1_800, 3_599]) t.true(close(curves.qber.mean[s], s / 10_000));
});

test("a bucket has mean, least and most; one without a value has none", (t) => {
  const history = new TelemetryHistory(["qber", "rate"]);
  history.add({ qber: 0.01 }, 0);
  history.add({ qber: 0.03, rate: 5 }, 400);
  history.add({ rate: 7 }, 12_000);
  const { curves } = history.query(["qber", "rate"], 12_000, 15_000, 5_000);
  t.true(close(curves.qber.mean[0], 0.02));
  t.true(close(curves.qber.min[0], 0.01));
  t.true(close(curves.qber.max[0], 0.03));
  t.true(Number.isNaN(curves.qber.mean[1]) && Number.isNaN(curves.qber.mean[2]));
  t.deepEqual([curves.rate.mean[0], curves.rate.mean[2]], [5, 7]);
});

test("a day is there in buckets, and a short peak is not averaged away", (t) => {
  const history = new TelemetryHistory(["qber"]);
  const peak = 7 * hour + 12 * second;
  for (let s = 0; s < 24 * 3_600; s += 2) {
    history.add({ qber: s * second === peak ? 0.2 : 0.02 }, s * second);
  }
  const now = 24 * hour - second;
  const { curves, start } = history.query(["qber"], now, 24 * hour, 60 * second);
  t.is(start, 0);
  t.true(curves.qber.mean.every((mean) => mean > 0.0199 && mean < 0.027));
  t.true(close(curves.qber.max[Math.floor(peak / 60_000)], 0.2));
  t.true(close(curves.qber.max[0], 0.02));
});

test("what is older than a day is gone, also from places that nothing wrote to since", (t) => {
  const history = new TelemetryHistory(["qber"]);
  history.add({ qber: 0.02 }, 0);
  history.add({ qber: 0.03 }, 30 * hour);
  const { curves } = history.query(["qber"], 30 * hour, 24 * hour, dayStepMs);
  t.deepEqual(
    [...curves.qber.mean].filter((mean) => !Number.isNaN(mean)).map((mean) => mean.toFixed(3)),
    ["0.030"],
  );
  const recent = history.query(["qber"], 30 * hour, hour, second).curves.qber;
  t.is([...recent.mean].filter((mean) => !Number.isNaN(mean)).length, 1);
});

test("memory has a bound, whatever the rate; then the oldest samples go first", (t) => {
  const history = new TelemetryHistory(["qber", "rate"]);
  const before = history.bytes;
  // A hundred a second.
  for (let i = 0; i < 100_000; i++) history.add({ qber: 0.01, rate: i }, i * 10);
  t.true(history.bytes > before);
  t.true(history.bytes < 2_000_000, `${history.bytes} bytes`);
  const { rate } = history.query(["rate"], 999_990, 1_000_000, second).curves;
  t.true(close(rate.max[999], 99_999));
  t.true(close(rate.min[700], 70_000));
  t.true(Number.isNaN(rate.mean[600]));
  // Buckets still have what the samples lost.
  const coarse = history.query(["rate"], 999_990, 1_000_000, dayStepMs).curves.rate;
  t.true(close(coarse.min[0], 0));
});

test("too many buckets are refused", (t) => {
  const history = new TelemetryHistory(["qber"]);
  t.throws(() => history.query(["qber"], 0, 24 * hour, second), { instanceOf: RangeError });
});

test("a rate looks back over the last ten seconds", (t) => {
  const meter = new RateMeter();
  t.is(meter.perSecond, 0);
  meter.read(100, 0);
  t.is(meter.perSecond, 0);
  meter.read(150, 1_000);
  t.is(meter.perSecond, 50);
  for (let s = 2; s <= 30; s++) meter.read(150, s * 1_000);
  t.is(meter.perSecond, 0);
});
