/** What a key manager makes up takes no alarm's place that is about the network as it is. */
import test from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { ControllerAlarms } from "../../../../src/controller/alarms/rules.ts";
import { checkRoutes } from "../../../../src/controller/doctor/network.ts";
import { summaryOf } from "../../../../src/controller/local/parts.ts";
import { families } from "../../../../src/controller/metrics/families.ts";
import type { AlarmRecord } from "../../../../src/ops/alarms/alarm.ts";
import { pairExtension } from "../../../../src/wire/ck/state.ts";
import { link, noon, Rig } from "../rig.ts";

const access = { refused: 0, twice: [], expiring: [] };

/** A controller's core, and its alarms; `look` lets so many seconds pass. */
function bench() {
  const rig = new Rig({
    nodes: [{ km: "a" }, { km: "b" }, { km: "liar" }],
    links: [{ a: "a", b: "b" }],
  });
  const alarms = new ControllerAlarms({
    flap: { count: 100, window: ms(60_000), quiet: ms(60_000) },
    kmAway: ms(3_000),
    machine: { certificateDays: 30, crlLeft: 0.2 },
  });
  const look = (seconds: number) => {
    for (let i = 0; i < seconds; i++) {
      rig.pass(1_000);
      alarms.look(rig.core.status(), access, { now: rig.now, wall: rig.wall });
    }
    return alarms.raised().map(({ id }) => id);
  };
  return { rig, alarms, look };
}
const made = Array.from({ length: 700 }, (_, i) => `made-up-${i}`);

test("links that one key manager alone tells of have no alarm unless they are configured", (t) => {
  const { rig, look } = bench();
  rig.network([["a", "b"]]);
  rig.attach(
    "liar",
    made.map((peer) => link(peer, { up: false })),
  );
  t.deepEqual(look(10), []);
  // One that both its ends tell of has.
  rig.report("a", [link("b"), link("c", { up: false })]);
  rig.attach("c", [link("a", { up: false })]);
  t.deepEqual(look(10), ["link_bad.a--c"]);
});

test("pairs that a key manager makes up leave room for what is configured, and it is told that some are left out", (t) => {
  const { rig, alarms, look } = bench();
  rig.network([["a", "b"]]);
  const none = { up: true, stock: 0, scheme: "case-2", relayed: 0, pads: 0, relays: 0, failed: 0 };
  const pairs = made.map((peer) =>
    pairExtension({ ...none, peer, routing: "controller", consumption: 1_000 }),
  );
  rig.attach("liar", [], pairs);
  const before = look(15);
  t.is(before.filter((id) => id.startsWith("no_route.")).length, 256);
  t.true(before.includes("alarms_left_out.controller"));

  rig.report("a", [link("b", { up: false })]);
  rig.report("b", [link("a", { up: false })]);
  rig.core.detached("b", "cut");
  alarms.store("disk full", { now: rig.now, wall: rig.wall });
  const after = look(15);
  for (const id of ["link_bad.a--b", "km_away.b", "store_away.store"]) {
    t.true(after.includes(id), id);
  }
  // It takes them back.
  rig.attach("liar", []);
  rig.pass(1_000_000);
  t.false(look(120).includes("alarms_left_out.controller"));
});

test("alarms of before a restart are gone on with, or told to be over, whatever they are about", (t) => {
  const told = new Set<string>();
  const alarms = new ControllerAlarms({
    flap: { count: 100, window: ms(60_000), quiet: ms(60_000) },
    kmAway: ms(3_000),
    machine: { certificateDays: 30, crlLeft: 0.2 },
    onTransition: ({ change, record }) => {
      if (change === "cleared") told.add(record.id);
    },
  });
  const saved = Array.from({ length: 400 }, (_, i) => {
    const object = `a--made-up-${i}`;
    const times = { raised: noon, changed: noon, cleared: undefined };
    const state = {
      severity: "major",
      active: true,
      acknowledged: false,
      flapping: false,
    } as const;
    return { id: `link_bad.${object}`, name: "link_bad", object, ...state, ...times, count: 1 };
  });
  alarms.restore(saved as unknown as AlarmRecord[], () => false, { now: 0, wall: noon });
  t.is(told.size, 400);
});

test("a pair without a route has its alarm, also when it uses nothing any more", (t) => {
  const { rig, look } = bench();
  rig.network([["a", "b"]]);
  const pair = { peer: "c", routing: "controller", up: true, scheme: "case-2" } as const;
  const used = { pads: 0, relays: 0, failed: 0, relayed: 0 };
  const told = (stock: number, consumption: number) =>
    rig.report("a", [link("b")], [pairExtension({ ...pair, ...used, stock, consumption })]);
  told(10_000, 1_000);
  t.true(look(10).includes("no_route.a--c"));
  // Its last keys are gone.
  told(0, 0);
  t.true(look(120).includes("no_route.a--c"));
  const status = rig.core.status();
  t.is(status.verdict.code, "no_route");
  t.is(summaryOf(status).counts.lost, 1);
  t.is(checkRoutes({ status }).status, "fail");
  const process = { cpuSeconds: 1, residentBytes: 1, heapBytes: 1, viewers: 0 };
  const metrics = families(status, { refused: 0, leftOut: 0, waiting: 0, dropped: 0 }, process);
  const lost = metrics.find(({ name }) => name === "qkd_controller_pairs_without_route");
  t.is(lost?.samples[0]?.value, 1);
});
