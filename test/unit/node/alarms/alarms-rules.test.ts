import { readFileSync } from "node:fs";
import test from "ava";
import { alarmNames, catalogue, kindOf } from "../../../../src/node/alarms/catalogue.ts";
import { thresholds } from "../../../../src/node/alarms/thresholds.ts";
import { stale, step, threshold } from "../../../../src/ops/alarms/rules.ts";
import { type Level, rank } from "../../../../src/ops/alarms/severity.ts";
import { Trend } from "../../../../src/ops/alarms/trend.ts";
import { random } from "../../../random.ts";

const steps = [step("critical", 0.11, "above"), step("warning", 0.08, "above")];

const walks: readonly { readonly title: string; readonly values: readonly [number, Level][] }[] = [
  {
    title: "a value exactly at the limit is within it",
    values: [
      [0.08, "cleared"],
      [0.0801, "warning"],
      [0.11, "warning"],
      [0.1101, "critical"],
    ],
  },
  {
    title: "a level is left only a tenth below its limit",
    values: [
      [0.12, "critical"],
      [0.1, "critical"],
      [0.098, "warning"],
      [0.0721, "warning"],
      [0.0719, "cleared"],
      [0.079, "cleared"],
    ],
  },
  {
    title: "a step over both limits is the worst at once, and back again",
    values: [
      [0.03, "cleared"],
      [0.3, "critical"],
      [0.03, "cleared"],
    ],
  },
];

for (const { title, values } of walks) {
  test(`threshold: ${title}`, (t) => {
    let level: Level = "cleared";
    for (const [value, expected] of values) {
      level = threshold(level, value, steps, "above");
      t.is(level, expected, `at ${value}`);
    }
  });
}

test("threshold: below works the other way round", (t) => {
  const low = [step("minor", 1_000, "below")];
  t.is(threshold("cleared", 1_000, low, "below"), "cleared");
  t.is(threshold("cleared", 999, low, "below"), "minor");
  t.is(threshold("minor", 1_099, low, "below"), "minor");
  t.is(threshold("minor", 1_100, low, "below"), "cleared");
});

test("stale counts from the last value, or from when values were to be expected", (t) => {
  t.false(stale(undefined, 0, 1_000, 1_000));
  t.true(stale(undefined, 0, 1_001, 1_000));
  t.false(stale(500, 0, 1_500, 1_000));
  t.false(stale(500, 5_000, 6_000, 1_000), "older than the session");
});

/** Feeds a figure once a second. @returns the second in which it was called drift, or undefined */
function drift(seconds: number, direction: 1 | -1, limit: number, at: (s: number) => number) {
  const trend = new Trend(direction);
  for (let s = 1; s <= seconds; s++) {
    if (trend.add(at(s), s * 1_000, limit).drifting) return s;
  }
  return undefined;
}

test("drift: a steady figure with noise is never drift, over a week and several seeds", (t) => {
  for (const seed of [1, 2, 3]) {
    const next = random(seed);
    // Sum of uniform numbers: nearly Gaussian, 20 % of the mean.
    const noisy = () => 0.03 * (1 + 0.2 * (next() + next() + next() + next() - 2) * Math.sqrt(3));
    t.is(drift(7 * 86_400, 1, 0.25, noisy), undefined);
  }
});

test("drift: a decline is found before the figure has halved, in minutes, hours or weeks", (t) => {
  const hour = 3_600;
  for (const [steady, halving] of [
    [hour, 600],
    [hour, hour],
    [6 * hour, 10 * hour],
    [5 * 24 * hour, 5 * 24 * hour],
  ] as const) {
    const next = random(7);
    const at = (s: number) =>
      1e5 * 2 ** -(Math.max(0, s - steady) / halving) * (1 + 0.05 * (next() - 0.5));
    const found = drift(steady + halving, -1, 0.15, at);
    t.true(found !== undefined && found > steady, `halving in ${halving} s: ${found}`);
    t.true((found ?? 0) < steady + 0.8 * halving, `halving in ${halving} s: ${found}`);
  }
});

test("drift: the wrong way round is no drift, nor are a few samples, nor a zero", (t) => {
  t.is(
    drift(7_200, 1, 0.15, (s) => 1e5 * 2 ** -(s / 3_600)),
    undefined,
  );
  t.is(
    drift(50, -1, 0.15, (s) => 100 - s),
    undefined,
  );
  t.is(
    drift(7_200, -1, 0.15, () => 0),
    undefined,
  );
});

test("every alarm of the catalogue is complete, and in the table for people", (t) => {
  const readme = readFileSync(
    new URL("../../../../src/node/alarms/README.md", import.meta.url),
    "utf8",
  );
  for (const name of alarmNames) {
    const { severities, text, action, cause } = kindOf(name);
    t.regex(name, /^[a-z][a-z0-9_]*$/);
    t.deepEqual(
      [...severities].sort((a, b) => rank(b) - rank(a)),
      [...severities],
    );
    for (const words of [text, action]) t.true(words.length > 10 && words.length < 120, name);
    const row = `| \`${name}\` | ${severities.join(", ")} | ${catalogue[name].type} / ${cause} |`;
    t.true(readme.includes(row), `README lacks: ${row}`);
  }
  const rows = [...readme.matchAll(/^\| `([a-z_]+)` \| [a-z, ]+ \| \w+ \/ /gm)].map((m) => m[1]);
  t.deepEqual([...rows].sort(), [...alarmNames].sort());
});

test("every threshold's default is within its range", (t) => {
  for (const { min, max, standard } of Object.values(thresholds)) {
    t.true(standard >= min && standard <= max);
  }
});
