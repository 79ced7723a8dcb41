import test from "ava";
import type { CkMessage, CkMessageOf } from "../../../src/wire/ck/messages.ts";
import {
  applicationExtensions,
  kmExtension,
  sessionExtension,
  usageExtension,
} from "../../../src/wire/ck/state.ts";
import { link, noon, Rig } from "./rig.ts";

const request = (source: string, destination: string): CkMessageOf<"sessionRequest"> => {
  return { type: "sessionRequest", sourceApp: source, destinationApp: destination };
};

function rigOfTwo(more: ConstructorParameters<typeof Rig>[0] = {}): Rig {
  const rig = new Rig(more);
  rig.attach("a", [link("b")], applicationExtensions(["app-a", "app-a2"]));
  rig.attach("b", [link("a")], applicationExtensions(["app-b"]));
  return rig;
}

function opened(rig: Rig): CkMessage | undefined {
  let answer: CkMessage | undefined;
  rig.core.command("a", request("app-a", "app-b"), (one) => {
    answer = one;
  });
  const [notified] = rig.take();
  const { sessionId = "" } = (notified?.command ?? {}) as CkMessageOf<"sessionNotification">;
  notified?.done({ type: "sessionNotificationResponse", response: "success", sessionId });
  return answer;
}

test("the destination's KM is asked before the source's is answered, and both hear of the end", (t) => {
  const rig = rigOfTwo();
  let answer: CkMessage | undefined;
  rig.core.command("a", { ...request("app-a", "app-b"), number: 7 }, (one) => {
    answer = one;
  });
  t.is(answer, undefined);
  const [notified] = rig.take();
  t.like(notified, {
    km: "b",
    command: { type: "sessionNotification", sourceApp: "app-a", sourceKm: "a", number: 7 },
  });
  const { sessionId = "" } = (notified?.command ?? {}) as CkMessageOf<"sessionNotification">;
  notified?.done({ type: "sessionNotificationResponse", response: "success", sessionId });
  t.like(answer, { type: "sessionResponse", response: "success", sessionId, destinationKm: "b" });
  t.is(rig.core.status().open_sessions, 1);
  t.true(rig.core.endSession(sessionId, "alice"));
  t.deepEqual(
    rig.take().map(({ km, command }) => [km, command.extension]),
    [
      ["a", [{ ended: true }]],
      ["b", [{ ended: true }]],
    ],
  );
  t.is(rig.core.status().open_sessions, 0);
  t.false(rig.core.endSession(sessionId, "alice"));
});

test("how keys are to come is between the two key managers: the word is passed on", (t) => {
  const rig = rigOfTwo();
  const extension = [{ supply: "proactive" }];
  rig.core.command("a", { ...request("app-a", "app-b"), extension }, () => {});
  t.deepEqual(rig.take()[0]?.command.extension, extension);
  rig.core.command("a", request("app-a", "app-b"), () => {});
  t.is(rig.take()[0]?.command.extension, undefined);
});

test("a session is refused where an application is not known, not its KM's, away, or has too many", (t) => {
  const applications = [
    { id: "app-a", km: "a", sessions: 1 },
    { id: "app-b", km: "b", peers: ["app-a"] },
    { id: "app-a2", km: "a" },
    { id: "app-x", km: "x" },
  ];
  const access = { openToKms: true, openToApplications: false, applications };
  const rig = rigOfTwo({ access });
  const refused = (km: string, source: string, destination: string) =>
    (rig.command(km, request(source, destination)) as CkMessageOf<"sessionResponse"> | undefined)
      ?.response;
  t.is(refused("b", "app-a", "app-b"), "unauthorized");
  t.is(refused("a", "nothing", "app-b"), "unauthorized");
  t.is(refused("a", "app-a", "nothing"), "unknown_application");
  t.is(refused("a", "app-a2", "app-b"), "unauthorized");
  t.is(refused("a", "app-a", "app-x"), "no_route");
  t.like(opened(rig), { response: "success" });
  t.is(refused("a", "app-a", "app-b"), "busy");
  rig.core.revoke("application", "app-b", "alice");
  t.is(rig.core.status().open_sessions, 0);
  t.is(refused("a", "app-a", "app-b"), "unknown_application");
  t.deepEqual(rig.core.status().counted_sessions, {
    opened: 1,
    ended: 1,
    refused: { unauthorized: 3, unknown_application: 2, no_route: 1, busy: 1 },
  });
});

test("a destination that refuses or says nothing leaves no session", (t) => {
  const rig = rigOfTwo();
  for (const response of ["unauthorized", undefined]) {
    let answer: CkMessage | undefined;
    rig.core.command("a", request("app-a", "app-b"), (one) => {
      answer = one;
    });
    const answers = { type: "sessionNotificationResponse", response: response ?? "" } as const;
    rig.take()[0]?.done(response === undefined ? undefined : answers);
    t.like(answer, { response: response ?? "timed_out" });
    t.is(rig.core.status().sessions.length, 0);
  }
});

test("sessions survive a restart; those that were not saved are learnt from the key managers", (t) => {
  const rig = rigOfTwo();
  opened(rig);
  const next = new Rig({}, rig.kept());
  t.is(next.core.status().open_sessions, 1);
  const empty = rigOfTwo();
  const told = {
    id: "s1",
    source: "app-a",
    destination: "app-b",
    role: "source" as const,
    keys: 0,
  };
  empty.report("a", [], [sessionExtension(told)]);
  t.like(empty.core.status().sessions[0], { session: "s1", source_km: "a", destination_km: "b" });
  empty.report("a", [], [sessionExtension({ ...told, ended: true })]);
  t.is(empty.core.status().open_sessions, 0);
  empty.take();
  // A KM that was away when it ended is told.
  empty.report("b", [], [sessionExtension({ ...told, role: "destination" })]);
  t.like(empty.take()[0], { km: "b", command: { sessionId: "s1", extension: [{ ended: true }] } });
});

test("a key manager that began anew has no sessions any more: they end at the other end, also after a restart", (t) => {
  const began = (at: number) => kmExtension({ version: "1", started: at });
  const rig = rigOfTwo();
  rig.report("a", [], [began(noon)]);
  opened(rig);
  rig.report("a", [], [began(noon)]);
  t.is(rig.core.status().open_sessions, 1);
  const next = new Rig({}, rig.kept());
  next.attach("b", [link("a")], [began(noon + 1)]);
  next.attach("a", [link("b")], [began(noon)]);
  t.is(next.core.status().open_sessions, 1);
  next.take();
  next.attach("a", [link("b")], [began(noon + 60_000)]);
  t.is(next.core.status().open_sessions, 0);
  t.true(next.take().some(({ km, command: { extension } }) => km === "b" && extension?.length));
  // Of a key manager that does not tell, one goes on.
  const other = rigOfTwo();
  opened(other);
  other.attach("a", [link("b")], applicationExtensions(["app-a"]));
  t.is(other.core.status().open_sessions, 1);
});

test("a session that only its destination knows is over, when the source's KM has had time to tell of it", (t) => {
  const rig = new Rig();
  const told = { id: "s1", source: "app-a", destination: "app-b", keys: 0 };
  const destination = sessionExtension({ ...told, role: "destination" });
  rig.attach("b", [], [...applicationExtensions(["app-b"]), destination]);
  rig.pass(400_000);
  t.deepEqual(rig.take(), [], "the source's KM is away");
  rig.attach("a", [], applicationExtensions(["app-a"]));
  rig.pass(200_000);
  t.deepEqual(rig.take(), []);
  rig.pass(101_000);
  t.like(rig.take(), [{ km: "b", command: { sessionId: "s1", extension: [{ ended: true }] } }]);
  // One that is confirmed is not.
  const other = sessionExtension({ ...told, id: "s2", role: "source" });
  rig.report("b", [], [sessionExtension({ ...told, id: "s2", role: "destination" })]);
  rig.report("a", [], [other]);
  rig.pass(400_000);
  t.is(rig.core.status().open_sessions, 1);
  t.deepEqual(rig.take(), []);
});

test("the source's KM comes first to a controller without memory: the session is known once the other has come", (t) => {
  const told = { id: "s1", source: "app-a", destination: "app-b", keys: 0 };
  const source = sessionExtension({ ...told, role: "source" });
  const destination = sessionExtension({ ...told, role: "destination" });
  const began = (at: number) => kmExtension({ version: "1", started: at });
  const begun = () => {
    const rig = new Rig();
    rig.attach("a", [], [began(noon), ...applicationExtensions(["app-a"]), source]);
    t.is(rig.core.status().open_sessions, 0);
    return rig;
  };
  const rig = begun();
  rig.attach("b", [], [...applicationExtensions(["app-b"]), destination]);
  t.is(rig.core.status().open_sessions, 1);
  rig.take();
  rig.attach("a", [], [began(noon + 60_000)]);
  const ends = rig.take().map(({ km, command: { extension } }) => [km, extension]);
  t.deepEqual(ends, [
    ["a", [{ ended: true }]],
    ["b", [{ ended: true }]],
  ]);
  // Also where the other does not tell of it.
  const silent = begun();
  silent.attach("b", [], applicationExtensions(["app-b"]));
  silent.pass(1_000);
  t.is(silent.core.status().open_sessions, 1);
  // One that its source ended meanwhile, or whose KM began anew, is none.
  const ended = begun();
  ended.report("a", [], [sessionExtension({ ...told, role: "source", ended: true })]);
  const anew = begun();
  anew.report("a", [], [began(noon + 60_000)]);
  for (const one of [ended, anew]) {
    one.attach("b", [], applicationExtensions(["app-b"]));
    one.pass(1_000);
    t.is(one.core.status().open_sessions, 0);
  }
});

test("a clock that is set ends no session, and makes none last for ever", (t) => {
  const rig = rigOfTwo({ rules: { sessionMs: 60_000 } });
  opened(rig);
  rig.wall += 365 * 86_400_000;
  rig.pass(2_000);
  t.is(rig.core.status().open_sessions, 1);
  opened(rig);
  const next = new Rig({ rules: { sessionMs: 60_000 } }, rig.kept());
  t.is(next.core.status().open_sessions, 2);
  next.pass(61_000);
  t.is(next.core.status().open_sessions, 0);
  rig.wall -= 365 * 86_400_000;
  rig.pass(61_000);
  t.is(rig.core.status().open_sessions, 0);
  const used = rig.core.accounts().reduce((sum, one) => sum + one.session_s, 0);
  t.true(used >= 120 && used < 125, `${used} s`);
});

test("a session whose answer cannot be heard is none: the connection that asked for it is over", (t) => {
  const rig = rigOfTwo();
  rig.core.command("a", request("app-a", "app-b"), () => {});
  const [notified] = rig.take();
  rig.core.detached("a", "cut");
  rig.attach("a", [link("b")]);
  const { sessionId = "" } = (notified?.command ?? {}) as CkMessageOf<"sessionNotification">;
  notified?.done({ type: "sessionNotificationResponse", response: "success", sessionId });
  t.is(rig.core.status().sessions.length, 0);
  t.like(rig.take(), [{ km: "b", command: { sessionId, extension: [{ ended: true }] } }]);
});

test("ten thousand sessions are open, one more is refused, and all end when their time is over", (t) => {
  const rules = { sessionsOfApplication: 20_000, sessionMs: 60_000 };
  const rig = rigOfTwo({ rules });
  for (let i = 0; i < 10_000; i++) opened(rig);
  t.is(rig.core.status().open_sessions, 10_000);
  t.like(rig.command("a", request("app-a", "app-b")), { response: "busy" });
  rig.take();
  rig.pass(61_000);
  t.is(rig.core.status().open_sessions, 0);
  // A key manager is told some at a time.
  let told = 0;
  for (let some = rig.take(); some.length > 0; some = rig.take()) {
    t.true(some.length <= 128);
    told += some.length;
    for (const { done } of some) done(undefined);
  }
  t.is(told, 20_000);
});

test("accounts tell of applications, pairs and links what grew in each period, and survive a restart", (t) => {
  const rig = rigOfTwo({ rules: { accountPeriods: 2 } });
  const usage = (keys: number) =>
    usageExtension({
      applications: ["app-a", "app-b"],
      peer: "b",
      requests: keys,
      keys,
      bits: keys * 256,
      refused: 0,
    });
  rig.report("a", [link("b", { matched: 1_000 })], [usage(5)]);
  rig.report("a", [link("b", { matched: 5_000, consumption: 100 })], [usage(8)]);
  // It began anew.
  rig.report("a", [link("b", { matched: 5_000 })], [usage(2)]);
  opened(rig);
  const of = (core: Rig["core"], kind: string) => core.accounts().find((one) => one.kind === kind);
  t.like(of(rig.core, "application"), { object: "app-a", keys: 5, bits: 1_280, sessions: 1 });
  t.like(of(rig.core, "pair"), { object: "a--b", keys: 5 });
  t.like(of(rig.core, "link"), { object: "a--b", made: 4_000, from: noon, length: 3_600_000 });
  rig.core.flush();
  const next = new Rig({ rules: { accountPeriods: 2 } }, rig.kept());
  t.like(of(next.core, "application"), { keys: 5 });
  // Two periods more in which something was used: the first goes.
  next.report("a", [link("b", { matched: 5_000 })]);
  for (let hour = 1; hour <= 2; hour++) {
    next.wall += 3_600_000;
    next.report("a", [link("b", { matched: 5_000 + hour })]);
    next.core.flush();
  }
  const periods = next.core.accounts().map(({ from }) => from);
  t.deepEqual([...new Set(periods)], [noon + 3_600_000, noon + 7_200_000]);
});

test("a session that its source's KM does not tell of, in all the time for it, is over", (t) => {
  const tells = kmExtension({ version: "1", started: noon });
  const rig = rigOfTwo();
  rig.attach("a", [link("b")], [...applicationExtensions(["app-a"]), tells]);
  opened(rig);
  rig.take();
  rig.pass(299_000);
  t.is(rig.core.status().open_sessions, 1);
  rig.pass(2_000);
  t.is(rig.core.status().open_sessions, 0);
  t.deepEqual(
    rig.take().map(({ km, command }) => [km, command.extension]),
    [
      ["a", [{ ended: true }]],
      ["b", [{ ended: true }]],
    ],
  );
  // One that is told goes on; until all that there is is told again, and it is not among it.
  const { sessionId: id = "" } = opened(rig) as CkMessageOf<"sessionResponse">;
  const told = { id, source: "app-a", destination: "app-b", role: "source", keys: 0 } as const;
  rig.report("a", [link("b")], [sessionExtension(told)]);
  rig.pass(1_000_000);
  t.is(rig.core.status().open_sessions, 1);
  rig.attach(
    "a",
    [link("b")],
    [...applicationExtensions(["app-a"]), tells, sessionExtension(told)],
  );
  rig.pass(1_000_000);
  t.is(rig.core.status().open_sessions, 1);
  rig.attach("a", [link("b")], [...applicationExtensions(["app-a"]), tells]);
  rig.pass(301_000);
  t.is(rig.core.status().open_sessions, 0);
});
