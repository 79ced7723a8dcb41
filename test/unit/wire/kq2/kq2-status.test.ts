import { readFileSync } from "node:fs";
import test from "ava";
import { frameOf } from "../../../../src/wire/kq2/frame.ts";
import { command, limits } from "../../../../src/wire/kq2/names.ts";
import {
  decodeResponse,
  decodeStatus,
  encodeResponse,
  encodeStatus,
  type Status,
  type StatusAlarm,
} from "../../../../src/wire/kq2/status.ts";
import { rounds } from "../../../campaign-scale.ts";
import { faultOf } from "../../../fault-of.ts";
import { random } from "../../../random.ts";

const alarm: StatusAlarm = {
  id: "a-17",
  name: "qber_high",
  object: "qkd0",
  severity: "major",
  active: true,
  acknowledged: false,
  raisedAt: Date.parse("2026-01-31T11:58:00Z"),
  changedAt: Date.parse("2026-01-31T11:59:00Z"),
  value: 0.0725,
  threshold: 0.07,
  detail: "rising",
};

const status: Status = {
  nodeId: "node-a",
  moduleId: "QKD-A-0001",
  matchingModuleId: "QKD-B-0001",
  at: Date.parse("2026-01-31T12:00:00.007Z"),
  module: "OPERATING",
  link: "ACTIVE",
  since: Date.parse("2026-01-31T11:00:00Z"),
  reason: "QBER is high",
  figures: { qber: 0.0725, secret_key_rate: 1_250_000, detector_counts: [81_000, 79_000] },
  alarms: [alarm],
  leftOut: 0,
};

function vector(file: string) {
  const text = readFileSync(new URL(`../../../fixtures/kq2/${file}`, import.meta.url), "utf8");
  const bytes = Buffer.from(text.replace(/#.*/g, "").replace(/\s/g, ""), "hex");
  const payload = bytes.subarray(10);
  return { bytes, command: bytes.readUInt16BE(6), length: bytes.readUInt16BE(8), payload };
}

/** A status whose JSON is changed. */
const changed = (members: object) =>
  Buffer.from(JSON.stringify({ ...JSON.parse(encodeStatus(status).toString()), ...members }));

test("a status is the bytes of status.hex, in both directions", (t) => {
  const { command: code, length, payload } = vector("status.hex");
  t.is(code, command.status);
  t.is(length, payload.length);
  t.is(encodeStatus(status).toString(), payload.toString());
  t.deepEqual(decodeStatus(payload), status);
});

test("a response is the bytes of response-to-status.hex, in both directions", (t) => {
  const { command: code, length, payload } = vector("response-to-status.hex");
  t.is(code, command.statusResponse);
  t.is(length, payload.length);
  t.deepEqual(encodeResponse("success"), payload);
  t.is(decodeResponse(payload), "success");
});

test("a message is a header of Annex A of Kq-1 and its payload", (t) => {
  for (const file of ["status.hex", "response-to-status.hex"]) {
    const { bytes, command: code, payload } = vector(file);
    t.deepEqual(frameOf(bytes.readUInt32BE(2), code, payload), bytes);
  }
});

test("an alarm may say in words what it is", (t) => {
  const told = { ...status, alarms: [{ ...alarm, text: "the bit error ratio is high" }] };
  t.deepEqual(decodeStatus(encodeStatus(told)), told);
});

test("what a module lacks is absent, and a module whose other end is not known has none", (t) => {
  const { value: _, threshold: __, detail: ___, ...bare } = alarm;
  const little: Status = {
    ...status,
    matchingModuleId: "",
    figures: {},
    alarms: [bare],
    reason: "",
  };
  t.deepEqual(decodeStatus(encodeStatus(little)), little);
});

test("members and figures that are not of the profile are not looked at", (t) => {
  const figures = { ...status.figures, colour: "red", toString: 1 };
  t.deepEqual(decodeStatus(changed({ figures, more: [[]] })), status);
});

test("each member that is missing, of another type or out of its range is named", (t) => {
  const one = JSON.parse(encodeStatus(status).toString()).alarms[0];
  const cases: readonly [object, string][] = [
    [{ node_ID: undefined }, "node_ID"],
    [{ node_ID: "" }, "node_ID"],
    [{ node_ID: 7 }, "node_ID"],
    [{ qkd_module_ID: "x".repeat(limits.name + 1) }, "qkd_module_ID"],
    [{ reason: "a\nb" }, "reason"],
    [{ timestamp: "2026-01-31T12:00:00+01:00" }, "timestamp"],
    [{ timestamp: "2026-13-31T12:00:00Z" }, "timestamp"],
    [{ since: 0 }, "since"],
    [{ module_status: "operating" }, "module_status"],
    [{ link_status: null }, "link_status"],
    [{ figures: [] }, "figures"],
    [{ figures: { qber: 0.6 } }, "qber"],
    [{ figures: { qber: [0.1] } }, "qber"],
    [{ figures: { secret_key_rate: -1 } }, "secret_key_rate"],
    [{ figures: { detector_counts: 5 } }, "detector_counts"],
    [{ figures: { detector_counts: Array(limits.list + 1).fill(1) } }, "detector_counts"],
    [{ alarms: {} }, "alarms"],
    [{ alarms: [null] }, "alarms"],
    [{ alarms: Array(limits.alarms + 1).fill(one) }, "alarms"],
    [{ alarms: [{ ...one, severity: "cleared" }] }, "severity"],
    [{ alarms: [{ ...one, active: 1 }] }, "active"],
    [{ alarms: [{ ...one, value: "7" }] }, "value"],
    [{ alarms: [{ ...one, detail: "x".repeat(limits.text + 1) }] }, "detail"],
    [{ alarms_left_out: -1 }, "alarms_left_out"],
    [{ alarms_left_out: 0.5 }, "alarms_left_out"],
  ];
  for (const [members, field] of cases) {
    const fault = faultOf(() => decodeStatus(changed(members)));
    t.like(fault, { code: "kq2.message", facts: { field } }, JSON.stringify(members).slice(0, 80));
  }
});

test("what could not be read is not sent", (t) => {
  const wrong: readonly Partial<Status>[] = [
    { nodeId: "" },
    { at: Number.NaN },
    { figures: { qber: 0.7 } },
    { reason: "x".repeat(limits.text + 1) },
  ];
  for (const members of wrong) {
    t.is(faultOf(() => encodeStatus({ ...status, ...members }))?.code, "kq2.message");
  }
});

test("alarms that do not fit are left out, the least severe first, and counted", (t) => {
  const long = { object: "\\".repeat(limits.name), detail: "€".repeat(limits.text) };
  const severities = ["warning", "critical", "minor", "major"] as const;
  const alarms = Array.from({ length: 400 }, (_, n): StatusAlarm => {
    return { ...alarm, ...long, id: `a-${n}`, severity: severities[n % 4] ?? "minor" };
  });
  const payload = encodeStatus({ ...status, alarms, leftOut: 3 });
  t.true(payload.length <= 65_535);
  const heard = decodeStatus(payload);
  t.is(heard.alarms.length + heard.leftOut, 403);
  t.true(heard.alarms.length > 40);
  const kinds = new Set(heard.alarms.map(({ severity }) => severity));
  t.deepEqual([...kinds], ["critical"]);
});

test("a response that is not known is taken for busy; what is none is an error", (t) => {
  t.is(decodeResponse(Buffer.from('{"response":"unknown_module"}')), "unknown_module");
  t.is(decodeResponse(Buffer.from('{"response":"tea_break","more":1}')), "busy");
  for (const text of ["", "[]", "{}", '{"response":1}', '{"response":""}']) {
    t.is(faultOf(() => decodeResponse(Buffer.from(text)))?.code, "kq2.message");
  }
});

test("whatever bytes come, they are a status or a typed error that quotes nothing", (t) => {
  const draw = random(22);
  const good = encodeStatus(status);
  let read = 0;
  const tries = rounds(16_667);
  for (let n = 0; n < tries; n++) {
    const payload = Buffer.from(
      good.subarray(0, draw() < 0.2 ? draw() * good.length : good.length),
    );
    for (let flips = draw() * 3; flips >= 1 && payload.length > 0; flips--) {
      payload[Math.floor(draw() * payload.length)] = draw() < 0.7 ? 32 + draw() * 95 : draw() * 256;
    }
    const fault = faultOf(() => {
      const heard = decodeStatus(payload);
      t.deepEqual(decodeStatus(encodeStatus(heard)), heard);
      read++;
    });
    if (fault !== undefined && fault.code !== "kq2.message") t.fail(`round ${n}`);
  }
  t.true(read > tries / 10);
  t.is(faultOf(() => decodeStatus(Buffer.from("[".repeat(65_535))))?.code, "kq2.message");
});
