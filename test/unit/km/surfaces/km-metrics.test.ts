import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import test from "ava";
import { families } from "../../../../src/km/metrics/families.ts";
import { exposition } from "../../../../src/ops/metrics/exposition.ts";
import { ManualClock } from "../../../clock.ts";
import { testWith } from "../../../needs.ts";
import { goodStatus, shownKm } from "../../../rig/km-status.ts";
import { hasReader, readMetrics } from "../../../rig/openmetrics.ts";

const path = (name: string) =>
  fileURLToPath(new URL(`../../../../src/km/metrics/${name}`, import.meta.url));
const facts = { cpuSeconds: 1.5, residentBytes: 1e8, heapBytes: 2e7, viewers: 1 };
const alarm = {
  id: "stock_low.fibre",
  name: "stock_low",
  object: "fibre",
  severity: "minor",
  active: true,
  flapping: false,
  acknowledged: false,
  raisedAt: 1,
  changedAt: 1,
  count: 1,
} as const;

function told() {
  const clock = new ManualClock();
  return families(
    shownKm(clock, () => goodStatus(), [alarm]),
    facts,
  );
}

test("the table for people has every metric, its type and labels, and no other", (t) => {
  const suffix = { counter: "_total", gauge: "", info: "_info" };
  const known = told()
    .map(({ name, type, samples }) => {
      const labels = type === "info" ? [] : Object.keys(samples[0]?.labels ?? {});
      return `${name}${suffix[type]} ${type} ${labels.join(" ")}`.trim();
    })
    .sort();
  const rows = readFileSync(path("README.md"), "utf8").matchAll(
    /^\| `(\w+)` \| (\w+) \| ([^|]*)\|/gm,
  );
  const documented = Array.from(rows, ([, name, type, labels = ""]) => {
    return `${name} ${type} ${labels.replaceAll("`", "")}`.trim().replace(/ +/g, " ");
  })
    .map((line) => (line.includes(" info ") ? line.split(" ").slice(0, 2).join(" ") : line))
    .sort();
  t.deepEqual(documented, known);
});

test("stock is told for each owner, in bits and in whole keys", (t) => {
  const text = exposition(told());
  t.regex(text, /^qkd_km_stock_bits\{link="fibre",owner="km-a"\} 500000$/m);
  t.regex(text, /^qkd_km_stock_bits\{link="fibre",owner="km-b"\} 400000$/m);
  t.regex(text, /^qkd_km_stock_units\{link="fibre",owner="km-a"\} 1953$/m);
  t.regex(text, /^qkd_km_received_keys_total\{link="fibre",module="m"\} 3910$/m);
  t.regex(text, /^qkd_km_verdict\{link="fibre",level="\w+",reason="\w+"\} 1$/m);
});

test("what applications and peers send adds no series without end", (t) => {
  const clock = new ManualClock();
  const pair = { peer: "km-b", requests: 1, keys: 1, bits: 256, refused: 0 };
  const applications = Array.from({ length: 5_000 }, (_, i) => {
    return { master: `a-${i}`, slave: `b-${i}`, ...pair };
  });
  const view = shownKm(clock, () => goodStatus({}, { applications }));
  t.true(exposition(families(view, facts)).split("\n").length < 200);
});

const title = "an independent reader of OpenMetrics reads the same from it";
if (!hasReader && process.env.CI !== "true") {
  test.skip(`${title} (skipped, because python3-prometheus-client is not installed)`, () => {});
} else {
  test(title, (t) => {
    const expected = told();
    const { wrong, found } = readMetrics(exposition(expected));
    t.is(wrong, "");
    t.deepEqual(
      found.map(([name, type, unit]) => [name, type, unit]),
      expected.map(({ name, type, unit = "" }) => [name, type, unit]),
    );
    for (const [i, { samples }] of expected.entries()) {
      t.deepEqual(
        (found[i]?.[3] ?? []).map(([, labels, value]) => ({ labels, value })),
        samples as object[],
      );
    }
  });
}

test("the alert rules ask for metrics that exist", (t) => {
  const names = new Set(
    [...exposition(told()).matchAll(/^([a-z_]+)[{ ]/gm)].map(([, name]) => name),
  );
  const used =
    readFileSync(path("prometheus-rules.yml"), "utf8").match(/\bqkd_km_[a-z_]+\b/g) ?? [];
  t.true(used.length >= 5);
  for (const name of used) t.true(names.has(name), name);
});

testWith("promtool", "the alert rules of the key manager are good", (t, promtool) => {
  const check = spawnSync(promtool, ["check", "rules", path("prometheus-rules.yml")], {
    encoding: "utf8",
  });
  t.is(check.status, 0, check.stdout + check.stderr);
});
