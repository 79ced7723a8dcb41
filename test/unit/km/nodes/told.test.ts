import test from "ava";
import { Fault } from "../../../../src/base/errors.ts";
import { nodeAlarms } from "../../../../src/km/nodes/alarms.ts";
import { type LinkChange, ModulesTold } from "../../../../src/km/nodes/told.ts";
import { encodeStatus, type Status } from "../../../../src/wire/kq2/status.ts";
import { alarmOf, statusOfA } from "../../../rig/kq2-status.ts";

const modules = [
  { name: "a", moduleId: "QKD-A-0001", matchingModuleId: "QKD-B-0001", nodes: ["node-a", "spare"] },
  { name: "c", moduleId: "QKD-C-0001", matchingModuleId: "QKD-D-0001", nodes: ["node-a"] },
];

function world() {
  let time = 0;
  const changes: LinkChange[] = [];
  const told = new ModulesTold({
    modules,
    now: () => time,
    onLink: (one) => void changes.push(one),
  });
  const connect = (...names: string[]) => {
    const connection = { names };
    told.opened(connection);
    return connection;
  };
  const hear = (from: { readonly names: string[] }, status: Partial<Status> = {}) =>
    told.heard(from, encodeStatus(statusOfA(status)));
  const later = (ms: number) => {
    time += ms;
  };
  return { told, changes, connect, hear, later };
}

test("the last word of a module is kept, with who said it and its age", (t) => {
  const { told, connect, hear, later } = world();
  const node = connect("node-a");
  t.is(hear(node), "success");
  later(4_000);
  t.is(hear(node, { link: "OFF", module: "DOWN", reason: "unplugged", figures: {} }), "success");
  later(1_234);
  t.is(told.all().size, 1);
  t.like(told.all().get("a"), {
    node: "node-a",
    current: true,
    age_s: 1.2,
    module: "DOWN",
    link: "OFF",
    reason: "unplugged",
    figures: {},
    since: "2026-01-31T11:00:00.000Z",
  });
  t.deepEqual(told.counts, { connections: 1, messages: 2, refused: {} });
});

test("a node is heard only of modules that its certificate is bound to", (t) => {
  const { told, connect, hear } = world();
  t.is(hear(connect("node-z")), "unauthorized");
  t.is(hear(connect("spare"), { moduleId: "QKD-C-0001", matchingModuleId: "" }), "unauthorized");
  t.is(hear(connect("node-a"), { moduleId: "QKD-E-0001" }), "unknown_module");
  t.is(hear(connect("node-a"), { matchingModuleId: "QKD-D-0001" }), "unknown_module");
  t.is(told.all().size, 0);
  t.deepEqual(told.counts.refused, { unauthorized: 2, unknown_module: 2 });
  t.is(hear(connect("spare"), { matchingModuleId: "" }), "success");
});

test("the state is unknown when the connection has ended, or nothing was told for 30 s", (t) => {
  const { told, connect, hear, later } = world();
  const node = connect("node-a");
  hear(node);
  later(29_999);
  t.true(told.all().get("a")?.current);
  later(1);
  t.false(told.all().get("a")?.current);
  hear(node);
  t.true(told.all().get("a")?.current);
  told.closed(node);
  t.false(told.all().get("a")?.current);
  t.is(told.all().get("a")?.link, "ACTIVE", "what was told last is kept");
});

test("an old connection that ends does not take the word of a new one with it", (t) => {
  const { told, connect, hear } = world();
  const before = connect("node-a");
  hear(before);
  const after = connect("node-a");
  hear(after);
  told.closed(before);
  t.true(told.all().get("a")?.current);
});

test("a word of yesterday is forgotten", (t) => {
  const { told, connect, hear, later } = world();
  hear(connect("node-a"));
  later(86_399_999);
  t.is(told.all().size, 1);
  later(1);
  t.is(told.all().size, 0);
});

test("each change of a link is told once, whatever else is said", (t) => {
  const { changes, connect, hear } = world();
  const node = connect("node-a");
  for (const link of ["ACTIVE", "ACTIVE", "OFF", "OFF", "ACTIVE"] as const) {
    hear(node, { link, figures: {} });
  }
  t.deepEqual(
    changes.map(({ link, before }) => [before, link]),
    [
      [undefined, "ACTIVE"],
      ["ACTIVE", "OFF"],
      ["OFF", "ACTIVE"],
    ],
  );
});

test("what is no status is a typed error, and counted", (t) => {
  const { told, connect } = world();
  const error = t.throws(() => told.heard(connect("node-a"), Buffer.from("{}")), {
    instanceOf: Fault,
  });
  t.is((error as Fault).code, "kq2.message");
  t.deepEqual(told.counts.refused, { invalid_message: 1 });
});

test("an alarm of a node is shown once, though it is told with each of its modules", (t) => {
  const { told, connect, hear, later } = world();
  const node = connect("node-a");
  const c = { moduleId: "QKD-C-0001", matchingModuleId: "QKD-D-0001" };
  const tamper = alarmOf("tamper.node", { severity: "critical", active: true });
  hear(node, { alarms: [alarmOf("qber_high.a"), tamper] });
  later(1_000);
  hear(node, { ...c, alarms: [{ ...tamper, acknowledged: true }] });
  const shown = nodeAlarms(told.all());
  t.like(shown, [
    { alarm: "tamper.node", node: "node-a", modules: ["a", "c"], acknowledged: true, age_s: 0 },
    { alarm: "qber_high.a", node: "node-a", modules: ["a"], age_s: 1 },
  ]);
});

test("nodes that have alarms of one name are told apart by their certificates", (t) => {
  const { told, connect, hear } = world();
  const c = { moduleId: "QKD-C-0001", matchingModuleId: "QKD-D-0001" };
  const low = { nodeId: "node-a", alarms: [alarmOf("tamper.node", { severity: "warning" })] };
  hear(connect("node-a"), { ...c, alarms: [alarmOf("tamper.node", { severity: "critical" })] });
  hear(connect("spare"), low);
  t.like(nodeAlarms(told.all()), [
    { severity: "critical", node: "node-a" },
    { severity: "warning", node: "spare" },
  ]);
});
