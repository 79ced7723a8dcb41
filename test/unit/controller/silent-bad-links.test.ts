/** A link that was bad when both its key managers left: it is bad until that is disproved, or the link is none. */
import test from "ava";
import { seconds } from "../../../src/base/duration.ts";
import { ControllerAlarms } from "../../../src/controller/alarms/rules.ts";
import type { LinkReport } from "../../../src/wire/ck/report.ts";
import { link, Rig } from "./rig.ts";

function alarmsOf(rig: Rig): ControllerAlarms {
  const alarms = new ControllerAlarms({
    flap: { count: 100, window: seconds(600), quiet: seconds(300) },
    kmAway: seconds(30),
    machine: { certificateDays: 30, crlLeft: 0.25 },
  });
  look(alarms, rig);
  return alarms;
}

function look(alarms: ControllerAlarms, rig: Rig): readonly string[] {
  const access = { refused: 0, twice: [], expiring: [] };
  for (let i = 0; i < 4; i++) {
    rig.pass(5_000);
    alarms.look(rig.core.status(), access, { now: rig.now, wall: rig.wall });
  }
  return alarms
    .shown()
    .filter(({ active }) => active)
    .map(({ alarm }) => alarm);
}

/** Both ends tell of the link, then leave and say nothing any more. */
function left(told: Partial<LinkReport>): Rig {
  const rig = new Rig();
  rig.network([["a", "b"]], told);
  rig.pass(1_000);
  for (const km of ["a", "b"]) rig.core.detached(km, "closed");
  return rig;
}

const alarm = { name: "qber_high", severity: "major" } as const;

for (const [why, told] of [
  ["its key managers do not talk to each other", { up: false }],
  ["alarm qber_high", { alarms: [alarm] }],
  ["short stock", { stock: 0 }],
] as const) {
  test(`a bad link stays bad when both its key managers leave: ${why}`, (t) => {
    const rig = left(told);
    const alarms = alarmsOf(rig);
    t.like(rig.link("a--b"), { state: "bad", reason: `${why}; no report for 15 s` });
    t.true(look(alarms, rig).includes("link_bad.a--b"));
    // One of them says otherwise.
    rig.attach("a", [link("b")]);
    rig.pass(1_000);
    t.not(rig.link("a--b")?.reason, `${why}; no report for 15 s`);
  });
}

test("a bad link whose key managers left is over when both are taken back", (t) => {
  const rig = left({ up: false });
  const alarms = alarmsOf(rig);
  t.true(look(alarms, rig).includes("link_bad.a--b"));
  for (const km of ["a", "b"]) rig.core.revoke("km", km, "an operator");
  t.is(rig.link("a--b"), undefined);
  t.deepEqual(look(alarms, rig), []);
});

test("a link that was good when both its key managers left is not known", (t) => {
  const rig = left({});
  rig.pass(20_000);
  t.like(rig.link("a--b"), { state: "unknown", reason: "no report for 15 s" });
});

test("a bad link that is good again, and then silent, is not known", (t) => {
  const rig = left({ up: false });
  rig.network([["a", "b"]]);
  rig.pass(14_000);
  for (const km of ["a", "b"]) rig.core.detached(km, "closed");
  rig.pass(20_000);
  t.is(rig.link("a--b")?.state, "unknown");
});

test("an alarm that a node told, and takes back while both key managers are silent, is over", (t) => {
  const rig = new Rig({
    nodes: [{ km: "a", controllers: ["node"] }, { km: "b" }],
    links: [{ a: "a", b: "b", modules: ["module"] }],
  });
  rig.network([["a", "b"]]);
  const alarm = {
    name: "module_fault",
    severity: "major",
    since: rig.wall,
    module: "module",
  } as const;
  rig.core.heardNode({
    node: "node",
    online: true,
    at: rig.wall,
    heardAt: rig.now,
    alarms: [alarm],
  });
  rig.pass(1_000);
  t.is(rig.link("a--b")?.reason, "alarm module_fault");
  rig.pass(20_000);
  rig.core.heardNode({ node: "node", online: true, at: rig.wall, heardAt: rig.now, alarms: [] });
  rig.pass(1_000);
  t.is(rig.link("a--b")?.state, "unknown");
});

test("a link that a key manager took out of service is missed by no alarm when both leave", (t) => {
  for (const up of [true, false]) {
    const rig = left({ service: "out_of_service", up });
    const alarms = alarmsOf(rig);
    t.deepEqual(look(alarms, rig), []);
    t.like(rig.link("a--b"), { state: "bad", service: "out_of_service" });
  }
});
