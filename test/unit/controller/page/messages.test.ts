import test from "ava";
import { merged } from "../../../../src/controller/page/browser-controller/merge.js";
import { Differ } from "../../../../src/controller/page/differ.ts";
import { snapshot } from "../../../../src/controller/page/snapshot.ts";
import { largeNetwork, rerouted, threeNodes } from "../../../rig/controller-network.ts";
import { alarm, at, network, pair } from "../../../rig/controller-parts.ts";

const now = Date.parse(at(3_600));
const plain = (value: unknown) => JSON.parse(JSON.stringify(value));

test("what browsers put together is what the controller says, after any change", (t) => {
  const statuses = [
    threeNodes(),
    rerouted(),
    { ...rerouted(), links: [], nodes: rerouted().nodes.slice(1) },
    threeNodes(),
    largeNetwork(),
  ];
  const differ = new Differ();
  let state = merged(undefined, plain(differ.next(snapshot(threeNodes(), now))));
  t.is(state, undefined, "nothing is shown before all of it has come");
  // One that comes between two messages is told all, and what the next one says once more.
  state = merged(undefined, plain(differ.whole(snapshot(rerouted(), now))));
  statuses.forEach((status, i) => {
    const wanted = snapshot(status, now + i * 1_000);
    state = merged(state, plain(differ.next(wanted)));
    const byKey = (list: readonly object[]) => list.map((row) => JSON.stringify(row)).sort();
    for (const name of ["nodes", "links", "pairs", "sessions"] as const) {
      t.deepEqual(byKey(state?.[name] ?? []), byKey(plain(wanted[name])), `${i} ${name}`);
    }
    for (const name of ["controller", "condition", "totals", "changes", "alarms", "t"] as const) {
      t.deepEqual(plain(state?.[name]), plain(wanted[name]), `${i} ${name}`);
    }
  });
});

test("while nothing new is heard hardly anything is sent", (t) => {
  const differ = new Differ();
  const older = (seconds: number) => {
    const { links, nodes, ...rest } = largeNetwork();
    const aged = links.map((one) => ({
      ...one,
      ends: one.ends.map((end) => ({ ...end, age_s: end.age_s + seconds })),
    }));
    const heard = nodes.map((one) => ({
      ...one,
      controllers: one.controllers.map((of) => ({ ...of, age_s: of.age_s + seconds })),
    }));
    return { ...rest, links: aged, nodes: heard };
  };
  const whole = JSON.stringify(differ.next(snapshot(older(0), now))).length;
  t.true(whole < 262_144, `a hundred nodes and 300 links are ${whole} bytes`);
  const next = JSON.stringify(differ.next(snapshot(older(1), now + 1_000))).length;
  t.true(next < 100, `then ${next} bytes`);
});

test("of thousands of pairs those that matter are sent, and alarms have the shape that all pages show", (t) => {
  const many = Array.from({ length: 1_000 }, (_, i) =>
    pair([`a${i}`, "b"], { sessions: 0, demand: i }),
  );
  const stuck = pair(["x", "y"], { route: [], sessions: 1 });
  const one = {
    alarm: "link_lost.km-a--km-b",
    severity: "major",
    active: true,
    acknowledged: false,
    since: at(1),
    count: 1,
    text: "link lost",
    action: "look",
  };
  const { pairs, totals, alarms, nodes } = snapshot(
    network({ pairs: [...many, stuck], alarms: [one, { ...one, alarm: "standby" }], nodes: [] }),
    now,
  );
  t.is(pairs.length, 200);
  t.is(pairs[0]?.pair, "x--y");
  t.deepEqual(totals, { pairs: 1_001, routed: 1_000, sessions: 0 });
  t.like(alarms[0], { name: "link_lost", object: "km-a--km-b", raised: at(1) });
  t.like(alarms[1], { name: "standby", object: "controller-1" });
  t.is(nodes.length, 0);
  t.is(alarm("x", "minor").by, "ck");
});
