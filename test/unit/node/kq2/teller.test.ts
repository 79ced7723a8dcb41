import test from "ava";
import { type Due, Teller } from "../../../../src/node/kq2/teller.ts";
import { kq2Waits } from "../../../../src/node/kq2/waits.ts";
import type { Status } from "../../../../src/wire/kq2/status.ts";
import { alarmOf, statusOfA } from "../../../rig/kq2-status.ts";

const many = 16;

/** A node with one module, which a test changes. */
function world(...names: readonly string[]) {
  const modules = new Map<string, Status | undefined>(names.map((name) => [name, statusOfA()]));
  const teller = new Teller(names, (name) => modules.get(name));
  const change = (changes: Partial<Status>, name = "a") => {
    modules.set(name, { ...(modules.get(name) ?? statusOfA()), ...changes });
    teller.changed();
  };
  const tell = (now: number) => teller.due(now, many).map(({ module }: Due) => module);
  const answered = (now: number, name = "a") => teller.answered(name, "success", now);
  return { modules, teller, change, tell, answered };
}

test("each module is told of when the connection is up, then every five seconds", (t) => {
  const { teller, tell, answered } = world("a", "b");
  teller.connected();
  t.deepEqual(tell(0), ["a", "b"]);
  answered(10);
  answered(10, "b");
  t.deepEqual(tell(4_999), []);
  t.deepEqual(tell(5_000), ["a", "b"]);
});

test("another state or another alarm is told at once, but not twice within a second", (t) => {
  const { tell, answered, change } = world("a");
  t.deepEqual(tell(0), ["a"]);
  answered(1);
  change({ link: "OFF", module: "DOWN" });
  t.deepEqual(tell(500), [], "a second has not passed");
  t.deepEqual(tell(1_000), ["a"]);
  answered(1_001);
  change({ alarms: [alarmOf("qber_high.a")] });
  change({ alarms: [] });
  t.deepEqual(tell(3_000), [], "alarms that came and went meanwhile left nothing to tell");
  let now = 4_000;
  for (const alarms of [
    [alarmOf("qber_high.a")],
    [alarmOf("qber_high.a", { acknowledged: true })],
    [alarmOf("qber_high.a", { severity: "critical" })],
    [alarmOf("qber_high.a", { severity: "critical", active: false })],
    [],
  ]) {
    change({ alarms });
    t.deepEqual(tell(now), ["a"]);
    answered(now);
    now += 1_000;
  }
});

test("figures and words alone can wait: they are told with the next", (t) => {
  const { teller, tell, answered, change } = world("a");
  tell(0);
  answered(0);
  for (let now = 250; now < 5_000; now += 250) {
    change({ figures: { qber: now / 100_000 }, reason: `no light for ${now} ms` });
    t.deepEqual(tell(now), []);
  }
  t.is(teller.due(5_000, many)[0]?.status.reason, "no light for 4750 ms");
});

test("nothing is queued: what is told is how it is when it is told, one at a time", (t) => {
  const { teller, tell, answered, change } = world("a");
  tell(0);
  for (let now = 1_000; now < 60_000; now += 100) {
    change({ link: now % 200 === 0 ? "OFF" : "ACTIVE" });
    t.deepEqual(tell(now), [], "the first is not answered");
  }
  answered(60_000);
  change({ link: "PASSIVE" });
  t.deepEqual(
    teller.due(60_000, many).map(({ status }) => status.link),
    ["PASSIVE"],
  );
});

test("no more are told at once than there is room for, and none is forgotten", (t) => {
  const names = Array.from({ length: 40 }, (_, n) => `m${n}`);
  const { teller } = world(...names);
  const told = [0, 0, 0, 0].map(() => teller.due(0, 16).map(({ module }) => module));
  t.deepEqual(
    told.map((list) => list.length),
    [16, 16, 8, 0],
  );
  t.is(new Set(told.flat()).size, 40);
});

test("over a new connection all is told anew, also what waited for an answer", (t) => {
  const { teller, tell } = world("a");
  t.deepEqual(tell(0), ["a"]);
  teller.connected();
  t.deepEqual(tell(10), ["a"]);
});

test("what the KM does not take it is told again after a minute, or when its IDs are others", (t) => {
  const { teller, tell, change } = world("a");
  tell(0);
  teller.answered("a", "unauthorized", 0);
  t.deepEqual(teller.refused, [{ module: "a", why: "unauthorized" }]);
  change({ link: "OFF" });
  t.deepEqual(tell(59_999), []);
  t.deepEqual(tell(60_000), ["a"]);
  teller.answered("a", "unknown_module", 60_000);
  teller.connected();
  t.deepEqual(tell(61_000), [], "a new connection makes no difference");
  change({ moduleId: "QKD-A-0002" });
  t.deepEqual(tell(62_000), ["a"]);
  teller.answered("a", "success", 62_000);
  t.deepEqual(teller.refused, []);
});

test("a KM that is busy is told again after ten seconds, and that is no refusal", (t) => {
  const { teller, tell } = world("a");
  tell(0);
  teller.answered("a", "busy", 0);
  t.deepEqual(teller.refused, []);
  t.deepEqual(tell(9_999), []);
  t.deepEqual(tell(10_000), ["a"]);
});

test("of a module whose ID is not known there is nothing to tell", (t) => {
  const { modules, teller, tell, change } = world("a");
  modules.set("a", undefined);
  t.false(teller.known);
  t.deepEqual(tell(0), []);
  change({});
  t.true(teller.known);
  t.deepEqual(tell(1), ["a"]);
});

test("a KM without Kq-2 is asked again after minutes, then hours; one that is away soon", (t) => {
  let absent = true;
  const waits = kq2Waits(
    () => absent,
    () => 0,
  );
  const next = () => waits.next().value as number;
  const seldom = Array.from({ length: 6 }, next);
  t.deepEqual(seldom, [300_000, 600_000, 1_200_000, 2_400_000, 3_600_000, 3_600_000]);
  absent = false;
  t.deepEqual(Array.from({ length: 3 }, next), [250, 500, 1_000]);
  t.is(Array.from({ length: 12 }, next).at(-1), 60_000);
});
