import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { families } from "../../../../src/node/page/families.ts";
import { exposition, formatFor } from "../../../../src/ops/metrics/exposition.ts";
import { figures } from "../../../../src/port/telemetry.ts";
import { ManualClock } from "../../../clock.ts";
import { testWith } from "../../../needs.ts";
import { hasReader, readMetrics } from "../../../rig/openmetrics.ts";
import { type ShownNode, shownNode } from "../../../rig/web-bench.ts";

const path = (name: string) =>
  fileURLToPath(new URL(`../../../../src/node/metrics/${name}`, import.meta.url));
const facts = { cpuSeconds: 1.5, residentBytes: 1e8, heapBytes: 2e7, viewers: 1 };

/** A node that has something to tell of everything. */
function busyNode(): { node: ShownNode; clock: ManualClock } {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const values = Object.entries(figures).map(([name, spec]) => {
    const value = name === "qber" ? 0.03 : Math.min(spec.max, 7);
    return [name, "list" in spec ? [value, value] : value] as const;
  });
  node.report({ values: Object.fromEntries(values) });
  node.supply = {
    ...{ supplied: 12, confirmed: 10, repeats: 1, bits: 2_560, withheld: 2, quarantined: 1 },
    ...{ empty_blocks: 3, released_blocks: 9, in_flight: 2, held_blocks: 1 },
    refused: { busy: 3, 'odd "reason"\n\\': 1 },
  };
  node.kept = { "withheld.ledger_repaired": 992 };
  const moment = { now: clock.now(), wall: clock.wall() };
  node.book.signal("qber_high", "alice", { level: "critical" }, moment);
  node.book.signal("key_rate_low", "alice", { level: "minor" }, moment);
  return { node, clock };
}

function told(node: ShownNode): string {
  return exposition(families(node, facts));
}

test("a text of families, escaped, without those that have nothing to say, with its end", (t) => {
  const text = exposition([
    { name: "a", type: "counter", help: 'a "b"\nc\\d', samples: [{ labels: {}, value: 1e21 }] },
    { name: "b", type: "gauge", help: "none", samples: [] },
    {
      name: "c_seconds",
      type: "gauge",
      unit: "seconds",
      help: "c",
      samples: [
        { labels: { x: '"\n\\é' }, value: Number.NaN },
        { labels: { x: "2" }, value: Number.POSITIVE_INFINITY },
      ],
    },
  ]);
  t.is(
    text,
    `# TYPE a counter
# HELP a a \\"b\\"\\nc\\\\d
a_total 1e+21
# TYPE c_seconds gauge
# UNIT c_seconds seconds
# HELP c_seconds c
c_seconds{x="\\"\\n\\\\é"} NaN
c_seconds{x="2"} +Inf
# EOF
`,
  );
});

test("the table for people names every metric, its type and its labels, and no other", (t) => {
  const { node } = busyNode();
  const suffix = { counter: "_total", gauge: "", info: "_info" };
  const known = families(node, facts)
    .map(({ name, type, samples }) => {
      const labels = type === "info" ? "" : Object.keys(samples[0]?.labels ?? {}).join(" ");
      return `${name}${suffix[type]} ${type} ${labels}`.trim();
    })
    .sort();
  const documented = [
    ...readFileSync(path("README.md"), "utf8").matchAll(/^\| `(\w+)` \| (\w+) \| ([^|]*)\|/gm),
  ]
    .map(([, name, type, labels = ""]) => {
      const words = type === "info" ? "" : labels.replace(/`/g, "");
      return `${name} ${type} ${words}`.trim();
    })
    .sort();
  t.deepEqual(documented, known);
});

test("dashboard and rules ask for metrics that exist", (t) => {
  const { node } = busyNode();
  const names = new Set(
    [...told(node).matchAll(/^([a-z_]+)[{ ]/gm)].map((match) => match[1] as string),
  );
  const dashboard = JSON.parse(readFileSync(path("grafana-dashboard.json"), "utf8"));
  const asked = `${JSON.stringify(dashboard)} ${readFileSync(path("prometheus-rules.yml"), "utf8")}`;
  const used = new Set(asked.match(/\b(?:qkd_|process_|nodejs_)[a-z_]+\b/g));
  t.true(used.size > 20);
  for (const name of used) t.true(names.has(name), name);
  const ids = dashboard.panels.map(({ id }: { id: number }) => id);
  t.is(new Set(ids).size, ids.length);
});

test("what a peer sends adds no series without end", (t) => {
  const { node, clock } = busyNode();
  const lines = () => told(node).split("\n").length;
  const before = lines();
  node.report({ values: { detector_counts: Array.from({ length: 5_000 }, (_, i) => i) } });
  const moment = { now: clock.now(), wall: clock.wall() };
  for (let i = 0; i < 5_000; i++) {
    node.book.signal("module_fault", `alice.code-${i}`, { level: "major" }, moment);
  }
  t.true(lines() < before + 40);
});

test("a figure that is stale or out of range is absent", async (t) => {
  const clock = new ManualClock();
  const node = shownNode(clock);
  const qber = /^qkd_module_qber_ratio/m;
  t.notRegex(told(node), qber);
  node.report({ values: { qber: 0.03 } });
  t.regex(told(node), /^qkd_module_qber_ratio\{module="alice"\} 0.03$/m);
  node.report({ values: { qber: 0.9 } });
  t.notRegex(told(node), qber);
  node.report({ values: { qber: 0.04 } });
  await clock.advance(11_000);
  t.notRegex(told(node), qber);
});

const title = "an independent reader of OpenMetrics reads the same from it";
if (!hasReader && process.env.CI !== "true") {
  test.skip(`${title} (skipped, because python3-prometheus-client is not installed)`, () => {});
} else {
  test(title, (t) => {
    const { node } = busyNode();
    const { wrong, found } = readMetrics(told(node));
    t.is(wrong, "");
    const expected = families(node, facts);
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
    // The reader does refuse what is wrong.
    t.not(readMetrics(told(node).replace("# EOF\n", "")).wrong, "");
    t.not(readMetrics("# TYPE a counter\na 1\n# EOF\n").wrong, "");
  });
}

testWith("promtool", "the alert rules are good, and fire when they should", (t, promtool) => {
  const rules = path("prometheus-rules.yml");
  const check = spawnSync(promtool, ["check", "rules", rules], { encoding: "utf8" });
  t.is(check.status, 0, check.stdout + check.stderr);
  const folder = mkdtempSync(join(tmpdir(), "qkd-rules-"));
  const cases = fileURLToPath(
    new URL("../../../fixtures/prometheus-rules.test.yml", import.meta.url),
  );
  const file = join(folder, "cases.yml");
  writeFileSync(file, readFileSync(cases, "utf8").replace("RULES", rules));
  const run = spawnSync(promtool, ["test", "rules", file], { encoding: "utf8" });
  t.is(run.status, 0, run.stdout + run.stderr);
  rmSync(folder, { recursive: true });
});

test("the older text format has its own names and types, and no marks of the newer one", (t) => {
  const families = [
    { name: "a", type: "counter", help: 'a "b"\nc\\d', samples: [{ labels: {}, value: 2 }] },
    { name: "n", type: "info", help: "n", samples: [{ labels: { node: "x" }, value: 1 }] },
    {
      name: "c_seconds",
      type: "gauge",
      unit: "seconds",
      help: "c",
      samples: [{ labels: { x: '"' }, value: Number.NaN }],
    },
  ] as const;
  t.is(
    exposition(families, "classic"),
    `# HELP a_total a "b"\\nc\\\\d
# TYPE a_total counter
a_total 2
# HELP n_info n
# TYPE n_info gauge
n_info{node="x"} 1
# HELP c_seconds c
# TYPE c_seconds gauge
c_seconds{x="\\""} NaN
`,
  );
});

test("every line of the older format is one that its readers know", (t) => {
  const { node } = busyNode();
  const text = exposition(families(node, facts), "classic");
  const label = '[a-z_]+="(?:[^"\\\\\\n]|\\\\[\\\\"n])*"';
  const line = new RegExp(
    `^(# HELP [a-z_]+ .+|# TYPE [a-z_]+ (counter|gauge)|[a-z_]+(\\{${label}(,${label})*\\})? \\S+)$`,
  );
  const lines = text.trimEnd().split("\n");
  for (const one of lines) t.regex(one, line);
  const typed = lines.flatMap((one) => /^# TYPE (\S+)/.exec(one)?.[1] ?? []);
  t.is(new Set(typed).size, typed.length, "each family once");
  const samples = new Set(lines.flatMap((one) => /^([a-z_]+)/.exec(one)?.[1] ?? []));
  t.deepEqual([...samples].sort(), typed.toSorted());
});

test("a reader is given the format that it asks for", (t) => {
  const prometheus =
    "application/openmetrics-text;version=1.0.0;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5," +
    "text/plain;version=1.0.0;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
  for (const accept of [
    prometheus,
    "application/openmetrics-text",
    "Application/OpenMetrics-Text; version=1.0.0, text/plain",
  ]) {
    t.is(formatFor(accept), "openmetrics", accept);
  }
  for (const accept of [
    undefined,
    "",
    "*/*",
    "text/plain;version=0.0.4",
    "text/plain;version=0.0.4;q=1,*/*;q=0.1",
    "application/openmetrics-text;q=0, text/plain",
    "application/openmetrics-text;q=0.1, text/plain;q=0.9",
    "application/openmetrics-text;q=x",
    "text/html",
  ]) {
    t.is(formatFor(accept), "classic", accept);
  }
});

test("a clock that is set by half a century has nothing last longer, or shorter", async (t) => {
  const { node, clock } = busyNode();
  const lasting = () =>
    ["qkd_node_uptime_seconds", "qkd_module_state_age_seconds"].map(
      (wanted) => families(node, facts).find(({ name }) => name === wanted)?.samples[0]?.value,
    );
  await clock.advance(5_000);
  const before = lasting() as number[];
  await clock.advance(5_000);
  for (const years of [50, -100]) {
    clock.offset += years * 365 * 86_400_000;
    t.deepEqual(
      lasting(),
      before.map((value) => value + 5),
    );
  }
});
