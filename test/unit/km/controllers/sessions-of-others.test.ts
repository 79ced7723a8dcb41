/** Sessions that a controller tells the KM of their destination, and whose end it never tells. */
import test from "ava";
import { KeySessions } from "../../../../src/km/controllers/sessions.ts";
import { settle } from "../../../clock.ts";

function bench() {
  const over: string[] = [];
  const sessions = new KeySessions({
    me: "km-a",
    now: () => 0,
    ask: () => Promise.resolve(undefined),
    notify: (_, done) => done(undefined),
    over: ({ id }) => over.push(id),
    kmOf: (id) => (id.startsWith("c") ? "km-c" : "km-a"),
    mayShare: () => true,
    changed: () => {},
  });
  const tell = (sessionId: string, sourceApp: string, marks: object = {}) => {
    let said = "";
    const ends = { sourceApp, destinationApp: "app-a", sourceKm: "km-c" } as const;
    sessions.notified({ type: "sessionNotification", ...ends, sessionId }, marks, (one) => {
      said = one.response;
    });
    return said;
  };
  return { sessions, tell, over };
}

test("a session of two applications is over with the next one of the two, however many there were", (t) => {
  const { sessions, tell } = bench();
  for (let i = 0; i < 25_000; i++) {
    if (tell(`s-${i}`, `c-${i % 10}`) !== "success") return t.fail(`session ${i} is refused`);
  }
  t.is(sessions.size, 10);
  const open = sessions.list().filter(({ ended }) => ended !== true);
  t.deepEqual(
    open.map(({ id }) => id),
    Array.from({ length: 10 }, (_, i) => `s-${24_990 + i}`),
  );
  t.like(
    sessions.list().find(({ id }) => id === "s-24989"),
    { role: "destination", ended: true },
    "a controller that knows ends is told of it",
  );
});

test("where all places are taken a session of two that have one is let in, and no other", (t) => {
  const { sessions, tell } = bench();
  for (let i = 0; i < 20_000; i++) tell(`s-${i}`, `c-${i}`);
  t.is(tell("t-0", "c-new"), "busy");
  t.is(tell("t-1", "c-7"), "success");
  t.is(tell("s-7", "c-7", { ended: true }), "unknown_session", "it is over");
  t.is(tell("t-1", "c-7", { ended: true }), "success");
  t.is(tell("t-2", "c-new"), "success");
  t.is(tell("t-3", "c-7"), "busy");
  t.is(sessions.size, 20_000);
});

test("sessions in which keys are brought stay until a word ends them", async (t) => {
  const { sessions, tell, over } = bench();
  const marks = { supply: "proactive" };
  t.deepEqual([tell("s-1", "c-1", marks), tell("s-2", "c-1", marks)], ["success", "success"]);
  tell("s-3", "c-1");
  await settle();
  t.is(sessions.size, 3);
  t.deepEqual(over, []);
});
