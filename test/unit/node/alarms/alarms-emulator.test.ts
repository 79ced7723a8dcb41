/** The alarms against the scenarios that the emulator ships, in passed-in time. */
import test from "ava";
import { type Course, playScenario } from "../../../rig/scenario-bench.ts";

const hour = 3_600;
const at = (hours: number, minutes: number) => hours * hour + minutes * 60;
const names = ({ told }: Course) => told.map(({ what }) => what.split(".")[0] as string);
const first = ({ told }: Course, start: string) => told.find(({ what }) => what.startsWith(start));
/** Seconds between telemetry messages unless configured otherwise. */
const telemetryWindow = 5;

test("the day with an eavesdropper: QBER high within one telemetry window, no key while she is bold", async (t) => {
  const course = await playScenario({ scenario: "day-with-eve", hours: 14 });
  const { told, blocks } = course;
  t.is(
    told.find((each) => each.at < at(12, 0)),
    undefined,
    "nothing in the morning",
  );
  const drift = first(course, "qber_drift.m raised warning");
  t.true((drift?.at ?? 0) > at(12, 0) && (drift?.at ?? 0) < at(12, 5), "she begins");
  const high = first(course, "qber_high.m raised critical");
  t.true((high?.at ?? 0) >= at(12, 20) && (high?.at ?? 0) <= at(12, 20) + telemetryWindow);
  t.is(names(course).filter((name) => name === "qber_high").length, 2, "raised once, cleared once");
  const cleared = first(course, "qber_high.m cleared");
  t.true((cleared?.at ?? 0) >= at(12, 50) && (cleared?.at ?? 0) <= at(12, 51));
  const bold = blocks.filter((block) => block.at > at(12, 20) && block.at < at(12, 50));
  t.true(bold.length >= 29 && bold.every(({ supplied }) => !supplied));
  const quiet = blocks.filter((block) => block.at < at(12, 0) || block.at > at(12, 51));
  t.true(
    quiet.slice(0, -2).every(({ supplied }) => supplied),
    "before and after her there is key",
  );
  t.is(told.findLast(({ what }) => / raised /.test(what))?.what, "no_key.m raised major");
});

test("the quality gate withholds what could still be distilled, and QBER high says so", async (t) => {
  // A tenth of the pulses leaves key, but more errors than this link is allowed to have.
  const qberLimit = 0.05;
  const course = await playScenario({ scenario: "day-with-eve", hours: 12.4, qberLimit });
  const above = course.blocks.filter(({ bits, qber = 0 }) => bits > 0 && qber > qberLimit);
  t.true(above.length >= 15, `${above.length} blocks`);
  t.true(above.every(({ supplied }) => !supplied));
  t.is(course.withheld, above.length);
  const limit = at(12, 5) + telemetryWindow;
  t.true((first(course, "qber_high.m raised critical")?.at ?? limit) < limit);
  t.true((first(course, "key_withheld.m raised warning")?.at ?? limit) < limit);
  const below = course.blocks.filter(({ bits, qber = 1 }) => bits > 0 && qber <= qberLimit);
  t.true(below.slice(0, -1).every(({ supplied }) => supplied));
});

for (const role of ["alice", "bob"] as const) {
  test(`satellite passes raise no alarm at ${role}'s node where the link is intermittent`, async (t) => {
    const course = await playScenario({
      scenario: "satellite-pass",
      hours: 6,
      role,
      intermittent: true,
      conditions: { km: 0 },
    });
    t.deepEqual(course.told, []);
    t.true(course.blocks.filter(({ supplied }) => supplied).length >= 12, "and keys came");
  });
}

test("a failing detector is told as drift long before the key rate has halved", async (t) => {
  const conditions = { km: 80 };
  const course = await playScenario({ scenario: "failing-detector", hours: 9, conditions });
  const fresh = course.rates[hour] as number;
  const halved = course.rates.findIndex((rate) => rate < fresh / 2);
  const [drift] = course.told;
  t.regex(drift?.what ?? "", /^detector_drift\.m\.dark_counts-\d raised/);
  t.true((drift?.at ?? 0) > at(2, 0), "not before it begins");
  t.true((drift?.at ?? halved) < halved / 2, `told at ${drift?.at} s, halved at ${halved} s`);
  t.log(`drift told at ${drift?.at} s, key rate halved at ${halved} s`);
});

test("a decline over hours does not become usual: the key rate is low soon after it has halved", async (t) => {
  // Alice has no detectors to watch.
  const course = await playScenario({
    scenario: "failing-detector",
    hours: 11,
    role: "alice",
    conditions: { km: 80 },
  });
  const fresh = course.rates[hour] as number;
  const low = first(course, "key_rate_low.m raised")?.at ?? Number.POSITIVE_INFINITY;
  t.true(
    (course.rates[low] ?? 0) > fresh / 3,
    `${course.rates[low]} of ${fresh} bit/s at ${low} s`,
  );
  t.true((course.rates[low] ?? fresh) < fresh / 2);
});

test("the same passes are full of alarms on a link that is not intermittent: the check can fail", async (t) => {
  const conditions = { km: 0 };
  const told = names(await playScenario({ scenario: "satellite-pass", hours: 2, conditions }));
  for (const name of ["no_light", "key_rate_low"]) t.true(told.includes(name), name);
});

test("an eavesdropper on a satellite pass is told, during the pass only", async (t) => {
  const course = await playScenario({
    scenario: "satellite-pass",
    hours: 1.5,
    intermittent: true,
    conditions: { km: 0, eve: 0.5 },
  });
  t.deepEqual(
    course.told.map(({ what }) => what),
    ["qber_high.m raised critical", "qber_high.m cleared cleared over"],
  );
  t.true(course.told.every((each) => each.at > at(0, 5) && each.at < at(0, 12)));
  t.true(course.blocks.every(({ supplied }) => !supplied));
});
