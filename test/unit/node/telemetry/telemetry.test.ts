import test from "ava";
import { TelemetryWindow } from "../../../../src/node/telemetry/window.ts";

test("a window has last, least, most, mean and count, and begins anew when it is taken", (t) => {
  const window = new TelemetryWindow(10_000);
  for (const qber of [0.03, 0.01, 0.02]) window.add({ values: { qber } }, 1_000);
  const { qber } = window.take(1_500);
  t.like(qber, { last: 0.02, min: 0.01, max: 0.03, count: 3, age_ms: 500, quality: "good" });
  t.true(Math.abs((qber?.mean as number) - 0.02) < 1e-12);
  window.add({ values: { qber: 0.05 } }, 2_000);
  t.like(window.take(2_000).qber, { last: 0.05, min: 0.05, max: 0.05, mean: 0.05, count: 1 });
});

test("a peek at a window leaves it as it is", (t) => {
  const window = new TelemetryWindow(10_000);
  for (const qber of [0.03, 0.01]) window.add({ values: { qber } }, 0);
  const seen = window.peek(100);
  t.like(seen.qber, { last: 0.01, min: 0.01, max: 0.03, count: 2, age_ms: 100 });
  t.deepEqual(window.peek(100), seen);
  t.deepEqual(window.take(100), seen);
  t.like(window.peek(200).qber, { last: 0.01, count: 0, age_ms: 200 });
});

test("a list figure is counted element by element", (t) => {
  const window = new TelemetryWindow(10_000);
  window.add({ values: { dark_counts: [10, 20] } }, 0);
  window.add({ values: { dark_counts: [30, 10] } }, 0);
  t.like(window.take(0).dark_counts, {
    last: [30, 10],
    min: [10, 10],
    max: [30, 20],
    mean: [20, 15],
  });
});

test("what a module does not report is absent, never zero", (t) => {
  const window = new TelemetryWindow(10_000);
  window.add({ values: { qber: 0.03 } }, 0);
  t.deepEqual(Object.keys(window.take(0)), ["qber"]);
});

test("a figure that stops coming grows stale, with its last value and its age", (t) => {
  const window = new TelemetryWindow(10_000);
  window.add({ values: { qber: 0.03 } }, 0);
  window.take(0);
  t.like(window.take(10_000).qber, { last: 0.03, count: 0, age_ms: 10_000, quality: "good" });
  t.like(window.take(10_001).qber, { quality: "stale", last: 0.03 });
});

test("a value out of range is flagged and spoils no mean", (t) => {
  const window = new TelemetryWindow(10_000);
  window.add({ values: { visibility: 7 } }, 0);
  t.deepEqual(window.take(5).visibility, { count: 0, age_ms: 5, quality: "out_of_range" });
  window.add({ values: { visibility: 0.9 } }, 10);
  window.add({ values: { visibility: Number.NaN } }, 11);
  t.like(window.take(11).visibility, { mean: 0.9, count: 1, quality: "out_of_range" });
});

test("an empty list changes nothing", (t) => {
  const window = new TelemetryWindow(10_000);
  window.add({ values: { detector_counts: [] } }, 0);
  t.deepEqual(window.take(0), {});
});
