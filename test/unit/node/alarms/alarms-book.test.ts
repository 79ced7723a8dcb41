import test from "ava";
import type { AlarmName } from "../../../../src/node/alarms/catalogue.ts";
import type { Level } from "../../../../src/ops/alarms/severity.ts";
import { AlarmBench } from "../../../rig/alarm-bench.ts";

interface Case {
  readonly title: string;
  readonly alarm: AlarmName;
  /** What the rule sees: seconds from the start → level; it holds until the next. */
  readonly sees: Readonly<Record<number, Level>>;
  readonly seconds: number;
  readonly tells: readonly string[];
}

/** km_unreachable: raised after 10 s, cleared after 5 s. qber_high: at once, cleared after 30 s. */
const cases: readonly Case[] = [
  {
    title: "a condition shorter than the hold-off is not told",
    alarm: "km_unreachable",
    sees: { 1: "major", 9: "cleared" },
    seconds: 60,
    tells: [],
  },
  {
    title: "a condition that lasts is told once, and once when it is gone for long enough",
    alarm: "km_unreachable",
    sees: { 1: "major", 31: "cleared" },
    seconds: 60,
    tells: ["11 x raised major", "36 x cleared cleared over"],
  },
  {
    title: "a gap shorter than the hold-off before clearing is not told",
    alarm: "km_unreachable",
    sees: { 1: "major", 20: "cleared", 23: "major", 40: "cleared" },
    seconds: 60,
    tells: ["11 x raised major", "45 x cleared cleared over"],
  },
  {
    title: "an alarm without hold-off is told in the same moment",
    alarm: "qber_high",
    sees: { 3: "critical" },
    seconds: 5,
    tells: ["3 x raised critical"],
  },
  {
    title: "a change of severity is told, worse at once, better after the hold-off",
    alarm: "qber_high",
    sees: { 1: "warning", 5: "critical", 10: "warning", 50: "cleared" },
    seconds: 100,
    tells: [
      "1 x raised warning",
      "5 x changed critical",
      "40 x changed warning",
      "80 x cleared cleared over",
    ],
  },
  {
    title: "a level between two others does not restart the hold-off of the lower one",
    alarm: "buffer_filling",
    sees: { 1: "warning", 3: "major", 4: "warning", 5: "major", 6: "warning" },
    seconds: 8,
    tells: ["6 x raised warning"],
  },
  {
    title: "a latched alarm stays, no longer active, until somebody acknowledges it",
    alarm: "module_identity",
    sees: { 1: "critical", 10: "cleared" },
    seconds: 100,
    tells: ["1 x raised critical", "40 x changed critical over"],
  },
];

for (const { title, alarm, sees, seconds, tells } of cases) {
  test(title, (t) => {
    const bench = new AlarmBench();
    let level: Level = "cleared";
    bench.run(seconds, (moment) => {
      level = sees[bench.now / 1_000] ?? level;
      bench.book.signal(alarm, "m", { level }, moment);
    });
    t.deepEqual(
      bench.take(),
      tells.map((line) => line.replace("x", `${alarm}.m`)),
    );
  });
}

test("acknowledging clears what is latched and over, and only marks what is still there", (t) => {
  const bench = new AlarmBench();
  const { book } = bench;
  book.signal("module_identity", "m", { level: "critical", detail: "other" }, bench.moment);
  t.is(book.acknowledge("module_identity.m", "noc", bench.moment), undefined);
  t.is(book.acknowledge("module_identity.m", "noc", bench.moment), "not_raised");
  t.is(book.acknowledge("module_identity.x", "noc", bench.moment), "unknown_alarm");
  t.like(book.record("module_identity.m"), {
    severity: "critical",
    acknowledged: true,
    acknowledgedBy: "noc",
    active: true,
    detail: "other",
  });
  book.signal("module_identity", "m", { level: "cleared" }, bench.moment);
  bench.run(60);
  t.deepEqual(bench.take(), [
    "0 module_identity.m raised critical",
    "0 module_identity.m acknowledged critical",
    "30 module_identity.m cleared cleared over",
  ]);
  book.signal("module_identity", "m", { level: "critical" }, bench.moment);
  t.false(book.record("module_identity.m")?.acknowledged, "raised anew, nobody has seen it");
  book.signal("module_identity", "m", { level: "cleared" }, bench.moment);
  bench.run(60);
  book.acknowledge("module_identity.m", "noc", bench.moment);
  t.is(bench.take().at(-1), "120 module_identity.m cleared cleared over");
});

test("who acknowledged a warning has not seen it become critical", (t) => {
  const bench = new AlarmBench();
  bench.book.signal("qber_high", "m", { level: "warning" }, bench.moment);
  bench.book.acknowledge("qber_high.m", "noc", bench.moment);
  bench.book.signal("qber_high", "m", { level: "critical" }, bench.moment);
  t.like(bench.book.record("qber_high.m"), { severity: "critical", acknowledged: false });
});

test("what somebody told is cleared by acknowledging, and comes again when told again", (t) => {
  const bench = new AlarmBench();
  const { book } = bench;
  book.signal("module_fault", "m.laser_fault", { level: "major" }, bench.moment);
  bench.run(1_000);
  book.acknowledge("module_fault.m.laser_fault", "noc", bench.moment);
  bench.run(10);
  t.deepEqual(bench.take(), [
    "0 module_fault.m.laser_fault raised major",
    "1000 module_fault.m.laser_fault cleared cleared over",
  ]);
  book.signal("module_fault", "m.laser_fault", { level: "major" }, bench.moment);
  t.is(bench.take().length, 1);
});

test("what merely occurs is over after its quiet time, counted from the last occurrence", (t) => {
  const bench = new AlarmBench();
  bench.run(100, (moment) => {
    if (bench.now <= 50_000) bench.book.occurred("key_withheld", "m", moment, { value: 0.2 });
  });
  bench.run(60);
  t.deepEqual(bench.take(), [
    "1 key_withheld.m raised warning",
    "110 key_withheld.m cleared cleared over",
  ]);
});

test("an alarm that comes and goes is told as flapping, then kept quiet, then told as it is", (t) => {
  const bench = new AlarmBench();
  const blink = (moment: { now: number; wall: number }) => {
    const on = (bench.now / 1_000) % 40 < 20;
    bench.book.signal("km_unreachable", "m", { level: on ? "major" : "cleared" }, moment);
  };
  bench.run(3_620, blink);
  const told = bench.take();
  t.is(told.length, 9, told.join("\n"));
  t.regex(told.at(-1) ?? "", /raised major flapping/);
  t.is(bench.book.record("km_unreachable.m")?.count, 91);
  bench.run(400);
  t.deepEqual(
    bench.take().map((line) => line.replace(/^\d+ /, "")),
    ["km_unreachable.m cleared cleared over"],
  );
});

test("a flapping alarm that becomes worse is told", (t) => {
  const bench = new AlarmBench();
  for (let i = 0; i < 6; i++) {
    bench.book.signal("qber_high", "m", { level: "warning" }, bench.moment);
    bench.run(1);
    bench.book.signal("qber_high", "m", { level: "cleared" }, bench.moment);
    bench.run(40);
  }
  t.true(bench.book.record("qber_high.m")?.flapping);
  bench.take();
  bench.book.signal("qber_high", "m", { level: "critical" }, bench.moment);
  t.regex(bench.take().join(), /changed critical flapping/);
});

test("an alarm whose severities take turns is told as flapping, at the worst, until it is steady", (t) => {
  const bench = new AlarmBench();
  const storm = () => {
    for (const level of ["critical", "minor"] as const) {
      bench.book.signal("module_fault", "m.laser_fault", { level }, bench.moment);
    }
  };
  for (let i = 0; i < 1_000; i++) storm();
  const told = bench.take();
  t.is(told.length, 9, told.join("\n"));
  t.regex(told.at(-1) ?? "", /changed critical flapping/);
  bench.run(400, storm);
  t.deepEqual(bench.take(), []);
  bench.run(400);
  t.regex(bench.take().join(), /changed minor$/);
});

test("an alarm that only becomes worse and worse does not flap", (t) => {
  const bench = new AlarmBench();
  for (let i = 0; i < 2; i++) {
    for (const level of ["warning", "minor", "major", "critical", "cleared"] as const) {
      bench.book.signal("module_fault", "m.laser_fault", { level }, bench.moment);
    }
  }
  t.false(bench.take().join().includes("flapping"));
});

test("a storm of one alarm tells a bounded number of times an hour", (t) => {
  const bench = new AlarmBench();
  for (let hour = 0; hour < 24; hour++) {
    bench.run(3_600, (moment) => {
      const level = bench.now % 2_000 === 0 ? "critical" : "cleared";
      bench.book.signal("tamper", "m", { level }, moment);
      bench.book.signal("qber_high", "m", { level }, moment);
    });
    t.true(bench.take().length < 20);
  }
});

test("alarms survive a restart: acknowledged ones stay so, latched ones stay, over ones clear", (t) => {
  const before = new AlarmBench();
  before.book.signal("module_identity", "m", { level: "critical" }, before.moment);
  before.book.signal("qber_high", "m", { level: "warning", value: 0.09 }, before.moment);
  before.book.acknowledge("qber_high.m", "noc", before.moment);
  before.book.signal("qber_high", "gone", { level: "critical" }, before.moment);
  before.book.signal("module_fault", "m.laser_fault", { level: "minor" }, before.moment);
  before.book.occurred("key_withheld", "m", before.moment);
  const saved = JSON.parse(JSON.stringify(before.book.records()));

  const after = new AlarmBench();
  after.book.restore(saved, (_, object) => !object.startsWith("gone"), after.moment);
  t.deepEqual(after.take(), ["0 qber_high.gone cleared cleared over"]);
  t.like(after.book.record("qber_high.m"), {
    acknowledged: true,
    value: 0.09,
    severity: "warning",
  });
  after.book.signal("qber_high", "m", { level: "cleared" }, after.moment);
  after.book.signal("module_identity", "m", { level: "cleared" }, after.moment);
  after.run(200);
  t.deepEqual(after.take(), [
    "30 module_identity.m changed critical over",
    "30 qber_high.m cleared cleared over",
    "60 key_withheld.m cleared cleared over",
  ]);
  t.is(after.book.record("module_fault.m.laser_fault")?.severity, "minor");
});

test("an alarm that stays for another reason is told again once that has stood for a minute; a number is no reason", (t) => {
  const bench = new AlarmBench();
  const { book } = bench;
  const sees = (detail: string | undefined, seconds: number) => {
    const signal = { level: "critical", ...(detail !== undefined && { detail }) } as const;
    book.signal("qber_high", "m", signal, bench.moment);
    bench.run(seconds);
  };
  sees("connection refused", 100);
  t.deepEqual(bench.take(), ["0 qber_high.m raised critical"]);
  sees("certificate has expired", 59);
  sees("connection refused", 59);
  sees("certificate has expired", 59);
  t.deepEqual(bench.take(), []);
  sees("certificate has expired", 10);
  t.deepEqual(bench.take(), ["278 qber_high.m changed critical"]);
  t.like(book.record("qber_high.m"), { detail: "certificate has expired", count: 1 });
  sees("12 keys wait", 100);
  sees("13 keys wait", 100);
  t.deepEqual(bench.take(), ["347 qber_high.m changed critical"]);
  sees(undefined, 100);
  t.deepEqual(bench.take(), ["547 qber_high.m changed critical"]);
  t.is(book.record("qber_high.m")?.detail, undefined);
});

test("what was told before a restart is told again when it stays for another reason", (t) => {
  const before = new AlarmBench();
  const seen = (detail: string) => ({ level: "critical", detail }) as const;
  before.book.signal("qber_high", "m", seen("connection refused"), before.moment);
  const after = new AlarmBench();
  after.book.restore(before.book.records(), () => true, after.moment);
  for (let i = 0; i < 90; i++) {
    after.book.signal("qber_high", "m", seen("certificate has expired"), after.moment);
    after.run(1);
  }
  t.deepEqual(after.take(), ["60 qber_high.m changed critical"]);
});

test("an alarm that the manager saw cleared is forgotten, but not that it has flapped", (t) => {
  const bench = new AlarmBench();
  for (let i = 0; i < 5; i++) {
    bench.book.signal("qber_high", "m", { level: "critical" }, bench.moment);
    bench.book.signal("qber_high", "m", { level: "cleared" }, bench.moment);
    bench.run(31);
    bench.book.forget("qber_high.m");
  }
  t.regex(bench.take().at(-1) ?? "", /flapping/);
  bench.run(301);
  bench.book.forget("qber_high.m");
  bench.run(601);
  t.deepEqual(bench.book.records(), []);
});

test("objects that something invents do not grow the book without bound", (t) => {
  const bench = new AlarmBench();
  for (let i = 0; i < 10_000; i++) {
    bench.book.signal("module_fault", `m.x${i}`, { level: "minor" }, bench.moment);
  }
  t.is(bench.book.records().length, 512);
  t.is(bench.book.refused, 10_000 - 512);
});

test("alarms that are over keep out none that is raised, however long no manager has seen that they are", (t) => {
  const bench = new AlarmBench();
  const signal = (object: number, level: "minor" | "cleared") =>
    bench.book.signal("module_fault", `m.x${object}`, { level }, bench.moment);
  const hundred = (from: number) => Array.from({ length: 100 }, (_, i) => from + i);
  for (let from = 0; from < 2_000; from += 100) {
    for (const object of hundred(from)) signal(object, "minor");
    for (const object of hundred(from)) signal(object, "cleared");
    bench.run(31);
  }
  t.is(bench.book.refused, 0);
  t.is(bench.take().length, 2 * 2_000, "each is told to be raised, and to be over");
  t.is(bench.book.records().length, 512);
  // A broker that was lost then shows these as raised, until it is told.
  for (const object of hundred(0)) t.truthy(bench.book.record(`module_fault.m.x${object}`));
  for (let object = 5_000; object < 5_512; object++) signal(object, "minor");
  t.is(bench.take().length, 512);
  signal(6_000, "minor");
  t.is(bench.book.refused, 1);
});
