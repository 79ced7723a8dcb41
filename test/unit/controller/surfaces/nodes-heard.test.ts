/** What nodes tell their manager, as a controller reads it along. */
import test from "ava";
import { NodesHeard } from "../../../../src/controller/manager/nodes.ts";
import { Rig } from "../rig.ts";

const at = (ms: number) => ({ now: ms, wall: 1_000 + ms });
const json = (value: object) => Buffer.from(JSON.stringify(value));
const alarm = {
  name: "qber_high",
  object: "alice",
  severity: "major",
  active: true,
  raised: "2026-01-31T12:00:00.000Z",
};

test("a node is online with the alarms that are raised, until they are over", (t) => {
  const nodes = new NodesHeard("qkdn/v1");
  t.deepEqual(nodes.filters, ["qkdn/v1/+/status", "qkdn/v1/+/alarm/+"]);
  const heard = nodes.hear("qkdn/v1/node-a:example/status", json({ status: "online" }), at(5));
  t.deepEqual(heard, { node: "node-a.example", online: true, at: 1_005, heardAt: 5, alarms: [] });
  const raised = nodes.hear("qkdn/v1/node-a:example/alarm/qber_high:alice", json(alarm), at(6));
  const since = Date.parse(alarm.raised);
  const expected = { name: "qber_high", severity: "major", since, module: "alice" };
  t.deepEqual(raised?.alarms, [expected]);
  const over = { ...alarm, severity: "cleared", active: false };
  t.deepEqual(
    nodes.hear("qkdn/v1/node-a:example/alarm/qber_high:alice", json(over), at(7))?.alarms,
    [],
  );
});

test("a node whose word is taken away is none", (t) => {
  const nodes = new NodesHeard("q");
  t.is(nodes.hear("q/a/status", Buffer.alloc(0), at(1)), undefined, "it was none");
  nodes.hear("q/a/status", json({ status: "online" }), at(2));
  const gone = { node: "a", online: false, at: 1_003, heardAt: 3, alarms: [], isGone: true };
  t.deepEqual(nodes.hear("q/a/status", Buffer.alloc(0), at(3)), gone as never);
});

test("what is not a node's message changes nothing, and there are bounds", (t) => {
  const nodes = new NodesHeard("q");
  for (const [topic, payload] of [
    ["other/a/status", json({ status: "online" })],
    ["q/a/status", Buffer.from("{")],
    ["q/a/status", json({ status: "?" })],
    ["q/a/alarm/x", json({ ...alarm, raised: "never" })],
    ["q/a/alarm/x", Buffer.alloc(20_000)],
    ["q//status", json({ status: "online" })],
  ] as const) {
    t.is(nodes.hear(topic, payload, at(0)), undefined, topic);
  }
  for (let i = 0; i < 70; i++) nodes.hear(`q/a/alarm/${i}`, json(alarm), at(0));
  t.is(nodes.hear("q/a/status", json({ status: "online" }), at(0))?.alarms.length, 64);
});

test("nodes that there is no room for are told of once, and counted", (t) => {
  const nodes = new NodesHeard("q");
  const rig = new Rig();
  const words = (count: number) => {
    for (let i = 0; i < count; i++) {
      const heard = nodes.hear(`q/n${i}/status`, json({ status: "online" }), at(i));
      if (heard !== undefined) rig.core.heardNode(heard);
    }
    const told = rig.told.filter(({ text }) => text.includes("too many nodes"));
    return [rig.core.nodes.leftOut, told.length, told[0]?.object];
  };
  t.deepEqual(words(1_000), [0, 0, undefined]);
  t.deepEqual(
    words(2_500),
    [1_500, 1, "n1000"],
    "the network's own limit, and that of what is read",
  );
  t.is(nodes.all().length, 2_000);
  nodes.hear("q/other/status", Buffer.from("{"), at(0));
  t.is(rig.core.nodes.leftOut, 1_500);
});
