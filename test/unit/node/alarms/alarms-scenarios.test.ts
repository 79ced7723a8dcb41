import test from "ava";
import { seconds } from "../../../../src/base/duration.ts";
import {
  intermittentTiming,
  type KeyCounters,
  ModuleRules,
} from "../../../../src/node/alarms/module-rules.ts";
import { NodeRules } from "../../../../src/node/alarms/node-rules.ts";
import { standardThresholds, type Thresholds } from "../../../../src/node/alarms/thresholds.ts";
import { ManagerRules } from "../../../../src/ops/alarms/manager-alarms.ts";
import type { Moment } from "../../../../src/ops/alarms/severity.ts";
import type { TelemetrySample } from "../../../../src/port/telemetry.ts";
import { rounds } from "../../../campaign-scale.ts";
import { random } from "../../../random.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

const gate = 0.11;

function link(options: { intermittent?: boolean; thresholds?: Partial<Thresholds> } = {}) {
  const { intermittent = false } = options;
  const thresholds = { ...standardThresholds(), ...options.thresholds };
  const bench = new AlarmBench({
    timing: (name) =>
      intermittent ? intermittentTiming(name, seconds(thresholds.settle_s)) : undefined,
  });
  const rules = new ModuleRules(
    { module: "m", qberLimit: gate, intermittent, thresholds },
    bench.book,
  );
  rules.moduleUp(bench.moment);
  rules.kmUp("main", bench.moment);
  return { bench, rules };
}

const counters = (supplied: number, more: Partial<KeyCounters> = {}): KeyCounters => ({
  supplied,
  withheld: 0,
  quarantined: 0,
  refused: {},
  ...more,
});

/**
 * A decoy-state link in a few lines: what a transmission, detectors and dark counts give.
 * @param eta transmission of channel and detector, 0 to 1
 */
function measure(
  eta: number,
  next: () => number,
  { dark = 2e-6, alignment = 0.015, eve = 0 } = {},
): { sample: TelemetrySample; qber: number; rate: number } {
  const clock = 1e8;
  const signal = 0.5 * eta;
  const gain = signal + 2 * dark;
  const ideal = (signal * alignment + dark) / gain + eve;
  const qber = Math.min(0.5, ideal * (1 + 0.04 * (next() - 0.5)));
  const h = (p: number) => (p <= 0 ? 0 : -p * Math.log2(p) - (1 - p) * Math.log2(1 - p));
  const rate = Math.max(0, clock * gain * 0.5 * (1 - 2.16 * h(qber)));
  const counts = clock * gain * 0.5 * (1 + 0.01 * (next() - 0.5));
  const sample = {
    values: {
      qber,
      secret_key_rate: rate,
      sifted_rate: clock * gain * 0.5,
      detector_counts: [counts, counts * 0.97],
      dark_counts: [clock * dark, clock * dark],
    },
  };
  return { sample, qber, rate };
}

test("an eavesdropper raises QBER high within one telemetry window, and nothing before", (t) => {
  const { bench, rules } = link();
  const next = random(1);
  let keys = 0;
  const second = (eve: number) => (moment: Moment) => {
    const { sample, qber } = measure(0.02, next, { eve });
    rules.telemetry(sample, moment);
    if (qber <= gate) rules.counters(counters(++keys), moment);
    else rules.custody("key_withheld", { qber }, moment);
    rules.tick(moment);
  };
  bench.run(4 * 3_600, second(0));
  t.deepEqual(bench.take(), []);
  bench.run(5, second(0.2));
  t.deepEqual(
    bench.take().filter((line) => / (qber_high|key_withheld)/.test(line)),
    ["14401 qber_high.m raised critical", "14401 key_withheld.m raised warning"],
  );
  const record = bench.book.record("qber_high.m");
  t.is(record?.threshold, gate);
  t.true((record?.value ?? 0) > 0.2);
  bench.run(600, second(0));
  t.deepEqual(bench.take(), [
    "14436 qber_high.m cleared cleared over",
    "14465 key_withheld.m cleared cleared over",
  ]);
});

/** Transmission of a pass of six minutes: elevation up and down, nothing outside of it. */
function pass(second: number): number {
  const into = second % 5_400;
  if (into >= 360) return 0;
  const elevation = Math.sin((Math.PI * into) / 360);
  return 0.004 * elevation ** 4;
}

/** What a node tells over a day of passes. */
function passes(intermittent: boolean, eve = 0): string[] {
  const { bench, rules } = link({ intermittent });
  const next = random(2);
  let keys = 0;
  let inContact = false;
  bench.run(86_400, (moment) => {
    const eta = pass(bench.now / 1_000);
    const { sample, qber, rate } = measure(eta, next, { eve: eta > 0 ? eve : 0 });
    if (eta > 0 !== inContact) {
      inContact = eta > 0;
      const severity = inContact ? "cleared" : "major";
      rules.event({ code: "quantum_channel_lost", severity, text: "" }, moment);
    }
    if (inContact) {
      rules.telemetry(sample, moment);
      if (rate > 0) keys++;
      if (qber > gate && bench.now % 5_000 === 0) rules.custody("key_withheld", { qber }, moment);
    } else {
      // Between contacts there is nothing to measure a QBER on.
      rules.telemetry({ values: { secret_key_rate: 0, sifted_rate: 0 } }, moment);
    }
    rules.counters(counters(keys), moment);
    rules.tick(moment);
  });
  return bench.take();
}

test("a day of satellite passes raises no alarm on a link configured as intermittent", (t) => {
  t.deepEqual(passes(true), []);
});

test("the same day is full of alarms on a link that is not: the check can fail", (t) => {
  const told = passes(false).join("\n");
  for (const name of ["qber_high", "optical_link_down", "no_key"])
    t.true(told.includes(name), name);
});

test("an eavesdropper on a satellite pass is still told", (t) => {
  t.true(passes(true, 0.2).some((line) => line.includes("qber_high.m raised critical")));
});

for (const [what, halving] of [
  ["within twenty minutes", 1_200],
  ["within hours", 6 * 3_600],
] as const) {
  test(`a detector that fails ${what} is told as drift before the key rate has halved`, (t) => {
    const { bench, rules } = link();
    const next = random(3);
    let usual = 0;
    let halved: number | undefined;
    let keys = 0;
    const steady = 2 * 3_600;
    bench.run(steady + 3 * halving, (moment) => {
      const into = Math.max(0, bench.now / 1_000 - steady);
      const { sample, rate } = measure(0.02 * 2 ** (-into / halving), next);
      if (into === 0) usual = rate;
      if (rate < usual / 2) halved ??= bench.now / 1_000;
      rules.telemetry(sample, moment);
      rules.counters(counters(++keys), moment);
      rules.tick(moment);
    });
    const told = bench.take();
    const [first = ""] = told;
    t.regex(first, /detector_drift\.m\.detector_counts-\d raised warning/);
    const at = Number.parseInt(first, 10);
    t.true(at > steady && at < (halved ?? 0), `${at} s; halved at ${halved} s`);
    t.log(
      `drift told ${at - steady} s after it began, key rate halved after ${(halved ?? 0) - steady} s`,
    );
  });
}

test("a detector whose dark counts grow is told as drift", (t) => {
  const { bench, rules } = link();
  const next = random(4);
  bench.run(7_200, (moment) => {
    const into = Math.max(0, bench.now / 1_000 - 3_600);
    const dark = 2e-6 * 2 ** (into / 1_800);
    rules.telemetry(measure(0.02, next, { dark }).sample, moment);
  });
  t.regex(bench.take().join("\n"), /detector_drift\.m\.dark_counts-0 raised warning/);
});

/** A week in CI. */
const days = rounds(7);
test("a good link with noise raises nothing, however long it is up", (t) => {
  const { bench, rules } = link();
  const next = random(5);
  let keys = 0;
  bench.run(days * 86_400, (moment) => {
    rules.telemetry(measure(0.02, next).sample, moment);
    if (next() < 0.2) keys++;
    rules.counters(counters(keys), moment);
    rules.tick(moment);
  });
  t.deepEqual(bench.take(), []);
});

test("no key for ten usual intervals is told, but not while the KM is away", (t) => {
  const { bench, rules } = link();
  let keys = 0;
  const tick = (every: number) => (moment: Moment) => {
    if (every > 0 && (bench.now / 1_000) % every === 0) keys++;
    rules.counters(counters(keys), moment);
    rules.tick(moment);
  };
  bench.run(600, tick(12));
  bench.run(119, tick(0));
  t.deepEqual(bench.take(), []);
  bench.run(10, tick(0));
  t.regex(bench.take().join(), /no_key\.m raised major/);
  t.like(bench.book.record("no_key.m"), { threshold: 120 });
  bench.run(100, tick(12));
  t.regex(bench.take().join(), /no_key\.m cleared/);
  rules.kmDown("main", "refused", bench.moment);
  bench.run(600, tick(0));
  t.deepEqual(
    bench.take().filter((line) => line.includes("no_key")),
    [],
  );
});

test("a silent module and a strange one are two alarms", (t) => {
  const { bench, rules } = link();
  rules.moduleDown("no answer", false, bench.moment);
  bench.run(6);
  t.deepEqual(bench.take(), ["5 module_silent.m raised major"]);
  rules.moduleDown("another module answers", true, bench.moment);
  bench.run(10);
  t.deepEqual(bench.take(), [
    "6 module_identity.m raised critical",
    "11 module_silent.m cleared cleared over",
  ]);
  rules.moduleUp(bench.moment);
  bench.run(40);
  t.deepEqual(bench.take(), ["46 module_identity.m changed critical over"]);
});

test("a KM that is away is named; minor while the module has another", (t) => {
  const { bench, rules } = link();
  rules.kmUp("reserve", bench.moment);
  rules.kmDown("reserve", "refused", bench.moment);
  bench.run(11);
  t.deepEqual(bench.take(), ["10 km_unreachable.m raised minor"]);
  t.is(bench.book.record("km_unreachable.m")?.detail, "reserve: refused");
  rules.kmDown("main", "no route", bench.moment);
  bench.run(11);
  t.deepEqual(bench.take(), ["21 km_unreachable.m changed major"]);
  rules.kmUp("main", bench.moment);
  bench.run(6);
  t.deepEqual(bench.take(), ["27 km_unreachable.m changed minor"]);
  rules.kmUp("reserve", bench.moment);
  bench.run(6);
  t.deepEqual(bench.take(), ["33 km_unreachable.m cleared cleared over"]);
});

test("dark counts are no light: they neither clear a lost channel nor count as a QBER in a pause", (t) => {
  const dark = { values: { qber: 0.497, sifted_rate: 1.7, secret_key_rate: 0 } };
  const { bench, rules } = link();
  rules.event({ code: "quantum_channel_lost", severity: "major", text: "" }, bench.moment);
  bench.run(60, (moment) => rules.telemetry(dark, moment));
  t.is(bench.book.record("optical_link_down.m")?.severity, "major");
  t.is(bench.book.record("no_light.m")?.severity, "major", "a link without pauses is told of");
  t.is(bench.book.record("qber_high.m"), undefined, "half of dark counts are wrong: nobody taps");
  const pausing = link({ intermittent: true });
  pausing.bench.run(3_600, (moment) => pausing.rules.telemetry(dark, moment));
  t.deepEqual(pausing.bench.take(), []);
});

test("telemetry that stops is told, unless there never was any", (t) => {
  const { bench, rules } = link();
  const tick = (moment: Moment) => rules.tick(moment);
  bench.run(100, tick);
  t.deepEqual(bench.take(), []);
  rules.telemetry({ values: { qber: 0.02 } }, bench.moment);
  bench.run(40, tick);
  t.deepEqual(bench.take(), ["131 telemetry_stale.m raised warning"]);
  rules.telemetry({ values: { qber: 0.02 } }, bench.moment);
  bench.run(10, tick);
  t.deepEqual(bench.take(), ["145 telemetry_stale.m cleared cleared over"]);
});

test("what a module does not report, or reports out of range, raises nothing", (t) => {
  const { bench, rules } = link();
  bench.run(3_600, (moment) => {
    rules.telemetry(
      { values: { qber: 0.9, secret_key_rate: -1, key_buffer_fill: 7, detector_counts: [-1] } },
      moment,
    );
    rules.telemetry({ values: {} }, moment);
  });
  t.deepEqual(bench.take(), []);
});

test("the key rate is low below its threshold, or below half of what is usual", (t) => {
  const set = link({ thresholds: { key_rate_min: 1_000 } });
  const rate = (r: number) => ({ values: { secret_key_rate: r } });
  set.bench.run(20, (moment) => set.rules.telemetry(rate(900), moment));
  t.regex(set.bench.take().join(), /key_rate_low\.m raised minor/);
  const learned = link();
  learned.bench.run(600, (moment) => learned.rules.telemetry(rate(900), moment));
  learned.bench.run(60, (moment) => learned.rules.telemetry(rate(600), moment));
  t.deepEqual(learned.bench.take(), []);
  learned.bench.run(86_400, (moment) => learned.rules.telemetry(rate(300), moment));
  t.regex(learned.bench.take().join(), /^\d+ key_rate_low\.m raised minor$/);
});

test("events of a module, of custody and of the KM become the alarms of the catalogue", (t) => {
  const { bench, rules } = link();
  const at = () => bench.moment;
  rules.event({ code: "laser_fault", severity: "critical", text: "" }, at());
  rules.event({ code: "vendor_40000", severity: "indeterminate", text: "" }, at());
  rules.event({ code: "vendor_40001", severity: "minor", text: "" }, at());
  rules.event({ code: "quantum_channel_lost", severity: "major", text: "" }, at());
  rules.event({ code: "tamper", severity: "warning", text: "" }, at());
  rules.event({ code: "reference_reused", severity: "critical", text: "" }, at());
  rules.event({ code: "key_buffer_overflow", severity: "major", text: "" }, at());
  rules.custody("key_quarantined", { key_ID: "x", reason: "duplicate_key_ID" }, at());
  rules.custody("key_quarantined", { key_ID: "x", reason: "unauthorized" }, at());
  rules.custody("block_empty", {}, at());
  rules.telemetry({ values: { key_buffer_fill: 0.97 } }, at());
  bench.run(10, (moment) => rules.counters(counters(1, { refused: { busy: bench.now } }), moment));
  t.deepEqual(
    bench
      .take()
      .map((line) => line.replace(/^\d+ /, ""))
      .sort(),
    [
      "buffer_filling.m raised major",
      "buffer_overflow.m raised major",
      "duplicate_key_id.m raised critical",
      "key_quarantined.m raised major",
      "km_refusing.m raised major",
      "module_fault.m.laser_fault raised critical",
      "module_fault.m.vendor changed minor",
      "module_fault.m.vendor raised warning",
      "optical_link_down.m raised major",
      "reference_reused.m raised critical",
      "tamper.m raised critical",
    ],
  );
  rules.event({ code: "laser_fault", severity: "cleared", text: "" }, at());
  t.regex(bench.take().join(), /module_fault\.m\.laser_fault cleared/);
  rules.telemetry({ values: { sifted_rate: 100 } }, at());
  bench.run(6);
  t.regex(bench.take().join(), /optical_link_down\.m cleared/, "light came back");
});

test("the node's own alarms: certificates, clock, storage, plain links, broker", (t) => {
  const bench = new AlarmBench();
  const node = new NodeRules({ certificateDays: 30, storageFree: 0.1 }, bench.book);
  const day = 86_400_000;
  const valid = (days: number) => ({ from: 0, to: bench.moment.wall + days * day });
  node.machine.certificate("km.main", valid(31), bench.moment);
  t.deepEqual(bench.take(), []);
  node.machine.certificate("km.main", valid(30), bench.moment);
  node.machine.certificate("km.main", valid(6), bench.moment);
  node.machine.certificate("km.main", valid(-1), bench.moment);
  node.machine.certificate("manager", undefined, bench.moment);
  node.storage(0.15, bench.moment);
  node.storage(0.05, bench.moment);
  node.plainLink("km.main", true, bench.moment);
  const manager = new ManagerRules(bench.book);
  manager.brokerDown("refused", true, bench.moment);
  manager.eventsLost(3, bench.moment);
  node.damaged("outbox", "EIO", bench.moment);
  bench.run(11);
  t.deepEqual(bench.take(), [
    "0 certificate_expiring.km.main raised warning",
    "0 certificate_expiring.km.main changed major",
    "0 certificate_invalid.km.main raised critical",
    "0 certificate_invalid.manager raised critical",
    "0 plain_link.km.main raised major",
    "0 broker_takeover.manager raised major",
    "0 events_lost.manager raised major",
    "0 state_damaged.outbox raised critical",
    "5 storage_full.node raised major",
    "10 broker_unreachable.manager raised minor",
  ]);
  bench.run(5, (moment) => node.machine.clock(moment));
  t.deepEqual(bench.take(), []);
  node.machine.clock({ now: bench.now, wall: bench.moment.wall + 3_600_000 });
  t.like(bench.book.record("clock_implausible.node"), { detail: "jumped", value: 3_600 });
  node.machine.clock({ now: bench.now, wall: Date.parse("1970-01-02") });
  t.like(bench.book.record("clock_implausible.node"), { severity: "major" });
});
