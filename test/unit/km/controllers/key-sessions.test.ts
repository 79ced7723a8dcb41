import test from "ava";
import { KeySessions, type SessionAnswer } from "../../../../src/km/controllers/sessions.ts";
import type { CkReason } from "../../../../src/wire/ck/names.ts";
import { settle } from "../../../clock.ts";

const kms: Readonly<Record<string, string>> = { "app-a": "km-a", "app-c": "km-c", "app-x": "km-c" };

function bench() {
  const asked: [string, string, (answer: SessionAnswer) => void][] = [];
  const invited: [string, (why: CkReason | undefined) => void][] = [];
  const over: string[] = [];
  const state = { now: 0, changes: 0 };
  const sessions = new KeySessions({
    me: "km-a",
    now: () => state.now,
    ask: (source, destination, _supply) =>
      new Promise((resolve) => asked.push([source, destination, resolve])),
    notify: (session, done) => invited.push([session.id, done]),
    over: ({ id, source, destination }) => over.push(`${id} ${source} ${destination}`),
    kmOf: (id) => kms[id],
    mayShare: (one, other) => [one, other].sort().join() === "app-a,app-c",
    changed: () => state.changes++,
  });
  const admit = (keys = 1) => {
    const said: (string | undefined)[] = [];
    sessions.admit("app-a", "app-c", keys, (why) => said.push(why));
    return said;
  };
  return { sessions, asked, invited, over, state, admit };
}

test("a controller is asked once for two applications, however many questions wait", async (t) => {
  const { sessions, asked, admit, state } = bench();
  const [one, two] = [admit(2), admit(3)];
  t.is(asked.length, 1);
  asked[0]?.[2]({ id: "s-1" });
  await settle();
  t.deepEqual([...one, ...two, ...admit(4)], [undefined, undefined, undefined]);
  t.is(asked.length, 1);
  const report = { id: "s-1", source: "app-a", destination: "app-c", role: "source", keys: 9 };
  t.deepEqual(sessions.list(), [report as never]);
  t.is(state.changes, 1);
});

test("a refusal holds for a moment; without a controller there are keys, and the next question asks", async (t) => {
  const { asked, admit, state } = bench();
  const first = admit();
  asked[0]?.[2]({ refused: "unauthorized" });
  await settle();
  t.deepEqual([...first, ...admit()], ["unauthorized", "unauthorized"]);
  t.is(asked.length, 1);
  state.now = 2_000;
  const second = admit();
  asked[1]?.[2](undefined);
  await settle();
  t.deepEqual(second, [undefined]);
  admit();
  t.is(asked.length, 3);
});

test("questions that wait are bounded", (t) => {
  const { admit } = bench();
  const all = Array.from({ length: 300 }, () => admit());
  t.is(all.filter(([why]) => why === "busy").length, 300 - 256);
});

test("a session of another KM begins and ends; what does not fit the tables is refused", async (t) => {
  const { sessions, asked, over, admit, state } = bench();
  const notification = {
    type: "sessionNotification",
    sourceApp: "app-c",
    destinationApp: "app-a",
    sourceKm: "km-c",
    sessionId: "s-7",
    number: 5,
  } as const;
  const told = (changes: object, over = false) => {
    const said: string[] = [];
    const marks = over ? { ended: true as const } : {};
    sessions.notified({ ...notification, ...changes }, marks, (one) => said.push(one.response));
    return said.join();
  };
  t.is(told({ destinationApp: "app-c" }), "unknown_application");
  t.is(told({ sourceApp: "app-y" }), "unknown_application");
  t.is(told({ sourceKm: "km-b" }), "unauthorized");
  t.is(told({ sourceApp: "app-x" }), "unauthorized");
  t.is(told({ destinationApp: "app-c" }, true), "unknown_session");
  t.deepEqual(over, []);
  // It may be of before this KM began anew, and so one that its application was told of.
  t.is(told({}, true), "unknown_session");
  t.deepEqual(over.splice(0), ["s-7 app-c app-a"]);
  t.is(told({}), "success");
  t.is(told({}), "success");
  t.is(sessions.size, 1);
  t.is(told({}, true), "success");
  t.is(told({}, true), "unknown_session");
  t.deepEqual(over, [], "its application asks for keys, and was told of none");
  t.like(sessions.list(), [{ id: "s-7", role: "destination", number: 5, ended: true }]);
  state.now = 30_000;
  t.deepEqual(sessions.list(), []);

  // One of this KM's own is ended in the same way: the next question asks anew.
  admit();
  asked[0]?.[2]({ id: "s-8" });
  await settle();
  t.is(told({ sessionId: "s-8" }, true), "success");
  admit();
  t.is(asked.length, 2);
});

test("a session that is used no more ends", async (t) => {
  const { sessions, asked, admit, state } = bench();
  admit();
  asked[0]?.[2]({ id: "s-1" });
  await settle();
  state.now = 3_599_999;
  sessions.tick();
  t.is(sessions.size, 1);
  state.now = 3_600_000;
  sessions.tick();
  t.is(sessions.size, 0);
  t.like(sessions.list(), [{ id: "s-1", ended: true }]);
});

test("an application's own session is one for the two, needs a controller, and is beside the other", async (t) => {
  const { sessions, asked, admit, state } = bench();
  const create = () => {
    const said: SessionAnswer[] = [];
    sessions.create("app-a", "app-c", (answer) => said.push(answer));
    return said;
  };
  const none = create();
  asked[0]?.[2](undefined);
  await settle();
  t.deepEqual(none, [undefined]);
  const [one, two] = [create(), create()];
  t.is(asked.length, 2);
  asked[1]?.[2]({ id: "s-1" });
  await settle();
  t.deepEqual([one, two, create()], [[{ id: "s-1" }], [{ id: "s-1" }], [{ id: "s-1" }]]);
  t.true(sessions.use("s-1", "app-a", "app-c", 3, "proactive"));
  t.false(sessions.use("s-1", "app-c", "app-a", 3, "proactive"));
  t.false(sessions.use("s-2", "app-a", "app-c", 3, "proactive"));
  admit();
  t.is(asked.length, 3, "keys that are fetched are of another session");
  t.true(sessions.close("app-a", "app-c"));
  t.false(sessions.close("app-a", "app-c"));
  t.like(sessions.list(), [{ id: "s-1", keys: 3, ended: true }]);
  create();
  t.is(asked.length, 4);
  asked[3]?.[2]({ id: "s-3" });
  await settle();
  state.now = 3_600_000;
  sessions.tick();
  t.false(sessions.use("s-3", "app-a", "app-c", 1, "proactive"), "idle for an hour");
});

test("an application is asked before a session for it is answered; it may be over by then", (t) => {
  const { sessions, invited, over } = bench();
  const notify = (sessionId: string, marks: object) => {
    const said: string[] = [];
    const ends = { sourceApp: "app-c", destinationApp: "app-a", sourceKm: "km-c" } as const;
    sessions.notified({ type: "sessionNotification", ...ends, sessionId }, marks, (one) =>
      said.push(one.response),
    );
    return said;
  };
  const supply = { supply: "proactive" };
  const first = notify("s-1", supply);
  t.deepEqual([first, notify("s-1", supply)], [[], ["busy"]]);
  t.is(sessions.deliverable("s-1", "km-c"), undefined);
  invited[0]?.[1](undefined);
  t.deepEqual([first, notify("s-1", supply)], [["success"], ["success"]]);
  const ends = { id: "s-1", source: "app-c", destination: "app-a" };
  t.deepEqual(sessions.deliverable("s-1", "km-c"), ends);
  t.deepEqual(sessions.proactive, { source: 0, destination: 1 });
  t.is(sessions.deliverable("s-1", "km-a"), undefined, "of another KM");
  const refused = notify("s-2", supply);
  invited[1]?.[1]("unauthorized");
  t.deepEqual(refused, ["unauthorized"]);
  t.deepEqual(notify("s-2", { ended: true }), ["unknown_session"]);
  t.deepEqual(over, [], "it did not take part");
  const third = notify("s-3", supply);
  t.deepEqual(notify("s-3", { ended: true }), ["success"]);
  invited[2]?.[1](undefined);
  t.deepEqual(third, ["unknown_session"]);
  t.deepEqual(notify("s-4", {}), ["success"]);
  t.is(sessions.deliverable("s-4", "km-c"), undefined, "its application asks for keys");
  t.deepEqual(over, ["s-3 app-c app-a"], "it was asked, and may have said yes");
  t.deepEqual(notify("s-1", { ended: true }), ["success"]);
  t.deepEqual(notify("s-1", { ended: true }), ["unknown_session"]);
  t.deepEqual(over.slice(1), ["s-1 app-c app-a"], "once");
  t.deepEqual(sessions.proactive, { source: 0, destination: 0 });
  t.is(invited.length, 3);
});
