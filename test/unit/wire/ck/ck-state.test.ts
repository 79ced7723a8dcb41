import test from "ava";
import { type CkMarks, markExtensions, marksIn } from "../../../../src/wire/ck/marks.ts";
import type { CkMessage } from "../../../../src/wire/ck/messages.ts";
import { linkExtension, linksIn } from "../../../../src/wire/ck/report.ts";
import {
  applicationExtensions,
  kmExtension,
  pairExtension,
  type SessionReport,
  sessionExtension,
  stateIn,
  usageExtension,
} from "../../../../src/wire/ck/state.ts";
import { encodeFrames } from "../../../../src/wire/ck/tcp.ts";
import { faultOf } from "../../../fault-of.ts";

const report = (extension: CkMessage["extension"]): CkMessage => {
  return { type: "report", sourceKm: "km-a", at: 0, ...(extension && { extension }) };
};

test("what a KM tells of its state is what a controller reads", (t) => {
  const km = { version: "1.2.3", started: Date.parse("2026-01-31T12:00:00.007Z"), site: "Bern" };
  const pair = {
    peer: "km-c",
    up: true,
    stock: 4_096,
    scheme: "case-2",
    routing: "controller",
    route: ["km-b"],
    relayed: 262_144,
    pads: 524_800,
    relays: 1,
    failed: 2,
    consumption: 12.5,
  } as const;
  const usage = {
    applications: ["app-a", "app-c"],
    peer: "km-c",
    requests: 3,
    keys: 4,
    bits: 1_024,
    refused: 1,
  };
  const session: SessionReport = {
    id: "session-9",
    source: "app-a",
    destination: "app-c",
    role: "source",
    number: 300,
    keys: 4,
    ended: true,
  };
  const ids = Array.from({ length: 400 }, (_, i) => `app-${i}-${"ü".repeat(20)}`);
  const told = report([
    kmExtension(km),
    pairExtension(pair),
    ...applicationExtensions(ids),
    usageExtension(usage),
    sessionExtension(session),
    { other: 7 },
  ]);
  t.deepEqual(stateIn(told), {
    km,
    pairs: [pair],
    applications: ids,
    usage: [usage],
    sessions: [session],
  });
  t.true((told.extension?.length ?? 0) > 6);
  t.notThrows(() => encodeFrames(told, 1));
  const empty = stateIn(report(undefined));
  t.deepEqual(empty, { pairs: [], applications: [], usage: [], sessions: [] });
});

test("a link tells whether it is in service, and what its modules distil", (t) => {
  const link = {
    peer: "km-b",
    up: true,
    stock: 1,
    secretKeyRate: 1_500.5,
    matched: 9_000,
    service: "out_of_service",
    alarms: [],
  } as const;
  t.deepEqual(linksIn(report([linkExtension(link)])), [link]);
});

test("what is out of its range is no report", (t) => {
  for (const extension of [
    [{ pair: { peer_kma_id: "km-c" } }],
    [{ pair: 7 }],
    [{ applications: { ids: ["", "app"] } }],
    [{ usage: { applications: ["a"], peer_kma_id: "b", requests: -1 } }],
    [{ session: { session_id: "s", role: "neither" } }],
    [{ km: { version: "1", started: "yesterday" } }],
  ]) {
    const fault = faultOf(() => stateIn(report(extension)));
    t.is(fault?.code, "ck.message");
    t.is(fault?.facts.source, "profile");
  }
});

test("words of one object are read back, and what is no such word is passed over", (t) => {
  const marks: CkMarks = {
    standby: true,
    bits: 0,
    withinS: 60,
    reserved: "ab",
    failedAt: "km-b",
    next: "km-d",
    ended: true,
    supply: "proactive",
    service: "standby",
  };
  const message = { ...report(markExtensions(marks)) };
  t.deepEqual(marksIn(message), marks);
  t.deepEqual(markExtensions({}), []);
  const strange = [{ standby: "yes" }, { bits: -1 }, { within_s: 601 }, { reserved_key_id: "" }];
  t.deepEqual(marksIn(report(strange)), {});
  t.deepEqual(marksIn(report([{ service: "asleep" }, { bits: 1.5 }, { supply: "both" }])), {});
  t.deepEqual(marksIn(report(undefined)), {});
});
