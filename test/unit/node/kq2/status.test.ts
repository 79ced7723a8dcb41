import test from "ava";
import { alarmsOf, statusOf } from "../../../../src/node/kq2/status.ts";
import type { FigureReport } from "../../../../src/node/telemetry/window.ts";
import type { AlarmRecord } from "../../../../src/ops/alarms/alarm.ts";
import { limits } from "../../../../src/wire/kq2/names.ts";
import { decodeStatus, encodeStatus } from "../../../../src/wire/kq2/status.ts";

const wall = Date.parse("2026-01-31T12:00:00Z");

function record(name: string, object: string, changes: Partial<AlarmRecord> = {}): AlarmRecord {
  return {
    id: `${name}.${object}`,
    name,
    object,
    severity: "major",
    active: true,
    flapping: false,
    acknowledged: false,
    raisedAt: wall,
    changedAt: wall,
    count: 1,
    ...changes,
  };
}

const figure = (last: number | number[], quality: FigureReport["quality"] = "good") => {
  return { last, count: 1, age_ms: 0, quality };
};

const parts = {
  nodeId: "node-a",
  ids: { moduleId: "QKD-A-0001", matchingModuleId: "" },
  state: { module: "OPERATING", link: "ACTIVE", km: "UP", reason: "", since: wall },
  window: {},
  alarms: [],
  wall,
} as const;

test("a module's state, its figures of now and its alarms become a status", (t) => {
  const status = statusOf({
    ...parts,
    window: {
      qber: figure(0.031),
      secret_key_rate: figure(2_000_000, "stale"),
      visibility: figure(0.9, "out_of_range"),
      detector_counts: figure([1, 2]),
      dark_counts: figure(Array(limits.list + 1).fill(1)),
    },
    alarms: [
      record("qber_high", "a", { value: 0.08, threshold: 0.07, detail: "rising" }),
      record("no_key", "a", { severity: "cleared" }),
    ],
  });
  t.deepEqual(status.figures, { qber: 0.031, detector_counts: [1, 2] });
  t.like(status.alarms, [{ id: "qber_high.a", value: 0.08, threshold: 0.07, detail: "rising" }]);
  t.is(status.alarms.length, 1);
  t.regex(status.alarms[0]?.text ?? "", /bit error ratio/);
  t.deepEqual(decodeStatus(encodeStatus(status)), status);
});

test("whatever words there are, the status can be sent", (t) => {
  const words = ["a\nb\u0000c", "x".repeat(1_000), `${"y".repeat(limits.text - 2)}😀😀`, "\ud800"];
  for (const word of words) {
    const status = statusOf({
      ...parts,
      state: { ...parts.state, reason: word },
      alarms: [record("qber_high", word, { detail: word, value: Number.NaN })],
    });
    t.deepEqual(decodeStatus(encodeStatus(status)), status);
  }
});

test("a KM hears of alarms of its module and of the whole node, and of no other module", (t) => {
  const all = [
    record("qber_high", "a"),
    record("module_fault", "a.laser"),
    record("qber_high", "ab"),
    record("module_fault", "b.laser"),
    record("broker_unreachable", "manager"),
    record("tamper", "node"),
    record("state_damaged", "ledger.a"),
  ];
  const ids = alarmsOf(all, "a", ["a", "ab", "b"]).map(({ id }) => id);
  t.deepEqual(ids, [
    "qber_high.a",
    "module_fault.a.laser",
    "broker_unreachable.manager",
    "tamper.node",
    "state_damaged.ledger.a",
  ]);
});
