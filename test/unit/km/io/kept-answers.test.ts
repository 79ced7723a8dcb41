import test from "ava";
import { type KeepAnswer, KeptAnswers, keptForMs } from "../../../../src/km/io/kept-answers.ts";
import { ManualClock } from "../../../clock.ts";

const isNew = (asked: KeepAnswer | string): asked is KeepAnswer => typeof asked === "function";
/** Asks for the first time. */
const ask = (kept: KeptAnswers, name: string, question: string, of: string): KeepAnswer => {
  const asked = kept.asked(name, question, () => {}, of);
  if (!isNew(asked)) throw new Error("it was asked before");
  return asked;
};

test("a question that was answered has its answer again, as long as that is kept", async (t) => {
  const clock = new ManualClock();
  const kept = new KeptAnswers(clock);
  const told: (string | undefined)[] = [];
  const tell = (body: Buffer | undefined) => void told.push(body?.toString());
  const keep = ask(kept, "a\0one", "2 keys", "a");
  // While it is being answered.
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "again");
  t.is(kept.asked("a\0one", "3 keys", tell, "a"), "other");
  // Another's name is another.
  t.true(isNew(kept.asked("b\0one", "2 keys", tell, "b")));
  t.deepEqual(told, []);
  const body = Buffer.from("keys");
  keep(body);
  body.fill(0);
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "again");
  t.deepEqual(told, ["keys", "keys"]);
  await clock.advance(keptForMs + 1);
  t.true(isNew(kept.asked("a\0one", "2 keys", tell, "a")));
  kept.close();
});

test("a question without an answer is a new one the next time, and who waited is told", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  const told: unknown[] = [];
  const keep = ask(kept, "a\0one", "2 keys", "a");
  t.is(
    kept.asked("a\0one", "2 keys", (body) => told.push(body), "a"),
    "again",
  );
  keep(undefined);
  t.deepEqual(told, [undefined]);
  t.true(isNew(kept.asked("a\0one", "2 keys", () => {}, "a")));
  kept.close();
});

test("who asks the same again waits for its answer, and so many do", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  let told = 0;
  const again = () => kept.asked("a\0one", "2 keys", () => told++, "a");
  const keep = ask(kept, "a\0one", "2 keys", "a");
  for (let i = 0; i < 64; i++) t.is(again(), "again");
  t.is(again(), "busy");
  keep(Buffer.from("keys"));
  t.is(told, 64);
  t.is(again(), "again");
  kept.close();
});

test("what is kept is bounded, and the oldest goes", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  const long = Buffer.alloc(1_048_576);
  for (let n = 0; n < 12; n++) {
    ask(kept, `a\0${n}`, "", "a")(long);
  }
  t.true(isNew(kept.asked("a\u00000", "", () => {}, "a")));
  t.is(
    kept.asked("a\u000011", "", () => {}, "a"),
    "again",
  );
  kept.close();
});

test("where there is no room for all, who has most makes it: another's question still has its answer", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  const told: unknown[] = [];
  const tell = (body: Buffer | undefined) => void told.push(body?.toString());
  ask(kept, "a one", "a key", "a")(Buffer.from("key"));
  for (let i = 0; i < 5_000; i++) ask(kept, `b ${i}`, "a key", "b")(Buffer.alloc(4_096));
  t.is(kept.asked("a one", "a key", tell, "a"), "again");
  t.deepEqual(told, ["key"]);
  t.true(isNew(kept.asked("b 0", "a key", tell, "b")));
  kept.close();
});

test("an answer that comes late is kept for as long as any, and is never that of another question", async (t) => {
  const clock = new ManualClock();
  const kept = new KeptAnswers(clock);
  const told: (string | undefined)[] = [];
  const tell = (body: Buffer | undefined) => void told.push(body?.toString());
  const slow = ask(kept, "a one", "a key", "a");
  await clock.advance(keptForMs + 1);
  t.is(kept.asked("a one", "a key", tell, "a"), "again");
  slow(Buffer.from("late"));
  await clock.advance(keptForMs - 1);
  t.is(kept.asked("a one", "a key", tell, "a"), "again");
  t.deepEqual(told.splice(0), ["late", "late"]);

  // Pushed out while it was being answered; its name was used for another question then.
  const pushedOut = ask(kept, "a two", "a key", "a");
  for (let i = 0; i < 5_000; i++) ask(kept, `a ${i}`, "a key", "a");
  const other = ask(kept, "a two", "another key", "a");
  t.is(kept.asked("a two", "another key", tell, "a"), "again");
  pushedOut(Buffer.from("of the first"));
  other(Buffer.from("of the other"));
  t.deepEqual(told, ["of the other"]);
  kept.close();
});
