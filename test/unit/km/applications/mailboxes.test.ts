import test from "ava";
import { type Letter, Mailboxes } from "../../../../src/km/applications/mailboxes.ts";
import { ManualClock } from "../../../clock.ts";

function bench() {
  const clock = new ManualClock();
  let count = 0;
  const boxes = new Mailboxes({
    now: () => clock.now(),
    after: (ms, fn) => clock.after(ms, fn),
    newId: () => `n-${++count}`,
  });
  const told: unknown[] = [];
  const tell = (session: string, within = 1_000) =>
    boxes.tell("b", { session, source: "a" }, within, (result) => told.push([session, result]));
  /** Listens once: what was given. */
  const listen = (wait = 500) => {
    const given: (Letter | undefined)[] = [];
    const cancel = boxes.listen("b", wait, (letter) => given.push(letter));
    return { given, cancel };
  };
  return { clock, boxes, told, tell, listen };
}

test("who does not listen is told nothing; who does has one notice at a time, in their order", (t) => {
  const { boxes, told, tell, listen } = bench();
  tell("s-0");
  t.deepEqual(told, [["s-0", "away"]]);
  const first = listen();
  tell("s-1");
  tell("s-2");
  t.like(first.given, [{ id: "n-1", notice: { session: "s-1", source: "a" } }]);
  t.like(listen().given, [{ id: "n-2", notice: { session: "s-2" } }]);
  t.is(boxes.find("b", "n-1")?.session, "s-1");
  t.is(boxes.find("c", "n-1"), undefined);
  t.false(boxes.answer("c", "n-1", { accepted: true }));
  t.true(boxes.answer("b", "n-1", { accepted: true }));
  t.false(boxes.answer("b", "n-1", { accepted: true }));
  t.true(boxes.answer("b", "n-2", { accepted: false }));
  t.deepEqual(told.slice(1), [
    ["s-1", { accepted: true }],
    ["s-2", { accepted: false }],
  ]);
});

test("a notice has its time, whether it was given or not", async (t) => {
  const { boxes, clock, told, tell, listen } = bench();
  listen();
  tell("s-1");
  tell("s-2", 2_000);
  await clock.advance(1_000);
  t.deepEqual(told, [["s-1", "late"]]);
  await clock.advance(1_000);
  t.deepEqual(told.at(-1), ["s-2", "late"]);
  t.false(boxes.answer("b", "n-2", { accepted: true }));
  // It is not given any more either.
  const next = listen(500);
  await clock.advance(500);
  t.deepEqual(next.given, [undefined]);
  t.is(clock.timers, 0);
});

test("one listens in the place of the other; one that goes away is away at once, one that was answered for a while not", async (t) => {
  const { boxes, clock, told, tell, listen } = bench();
  const before = listen();
  const after = listen(60_000);
  t.deepEqual(before.given, [undefined]);
  before.cancel();
  t.true(boxes.isListening("b"));
  after.cancel();
  t.false(boxes.isListening("b"));
  t.deepEqual(after.given, []);
  listen(500);
  await clock.advance(500 + 4_999);
  tell("s-1", 10);
  t.deepEqual(told, []);
  await clock.advance(10);
  t.deepEqual(told, [["s-1", "late"]]);
  t.false(boxes.isListening("b"));
});

test("notices without an answer are bounded, and those of who is no application any more end", (t) => {
  const { boxes, told, tell, listen } = bench();
  listen();
  for (let i = 0; i < 65; i++) tell(`s-${i}`);
  t.deepEqual(told, [["s-64", "busy"]]);
  const { given } = listen();
  t.is(given[0]?.id, "n-2");
  boxes.keep((id) => id === "b");
  t.is(told.length, 1);
  boxes.close();
  t.is(told.length, 65);
  t.true(told.slice(1).every((one) => (one as [string, string])[1] === "away"));
  t.false(boxes.isListening("b"));
});

test("what is left for an application is there when it listens again, a while long, and bounded beside the rest", async (t) => {
  const { boxes, clock, told, tell, listen } = bench();
  const leave = (session: string) =>
    boxes.leave("b", { session, source: "a", isOver: true }, 60_000);
  leave("s-0");
  t.is(clock.timers, 0, "it has never listened");
  listen(10).cancel();
  t.false(boxes.isListening("b"));
  for (let i = 1; i <= 65; i++) leave(`s-${i}`);
  leave("s-65");
  const [one] = listen().given;
  t.deepEqual(one?.notice, { session: "s-2", source: "a", isOver: true });
  t.true(boxes.answer("b", one?.id ?? "", { accepted: true }));
  for (let i = 0; i < 65; i++) tell(`k-${i}`, 100);
  t.deepEqual(told, [["k-64", "busy"]]);
  await clock.advance(100);
  await clock.advance(59_900);
  const late = listen(1);
  await clock.advance(1);
  t.deepEqual(late.given, [undefined]);
  t.is(clock.timers, 0);
});
