import test from "ava";
import { KeptAnswers, keptForMs } from "../../../../src/km/io/kept-answers.ts";
import { ManualClock } from "../../../clock.ts";

test("a question that was answered has its answer again, as long as that is kept", async (t) => {
  const clock = new ManualClock();
  const kept = new KeptAnswers(clock);
  const told: (string | undefined)[] = [];
  const tell = (body: Buffer | undefined) => void told.push(body?.toString());
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "new");
  // While it is being answered.
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "again");
  t.is(kept.asked("a\0one", "3 keys", tell, "a"), "other");
  // Another's name is another.
  t.is(kept.asked("b\0one", "2 keys", tell, "b"), "new");
  t.deepEqual(told, []);
  const body = Buffer.from("keys");
  kept.keep("a\0one", body);
  body.fill(0);
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "again");
  t.deepEqual(told, ["keys", "keys"]);
  await clock.advance(keptForMs + 1);
  t.is(kept.asked("a\0one", "2 keys", tell, "a"), "new");
  kept.close();
});

test("a question without an answer is a new one the next time, and who waited is told", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  const told: unknown[] = [];
  t.is(
    kept.asked("a\0one", "2 keys", () => {}, "a"),
    "new",
  );
  t.is(
    kept.asked("a\0one", "2 keys", (body) => told.push(body), "a"),
    "again",
  );
  kept.keep("a\0one", undefined);
  t.deepEqual(told, [undefined]);
  t.is(
    kept.asked("a\0one", "2 keys", () => {}, "a"),
    "new",
  );
  kept.close();
});

test("what is kept is bounded, and the oldest goes", (t) => {
  const kept = new KeptAnswers(new ManualClock());
  const long = Buffer.alloc(1_048_576);
  for (let n = 0; n < 12; n++) {
    kept.asked(`a\0${n}`, "", () => {}, "a");
    kept.keep(`a\0${n}`, long);
  }
  t.is(
    kept.asked("a\u00000", "", () => {}, "a"),
    "new",
  );
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
  t.is(kept.asked("a one", "a key", tell, "a"), "new");
  kept.keep("a one", Buffer.from("key"));
  for (let i = 0; i < 5_000; i++) {
    t.is(kept.asked(`b ${i}`, "a key", tell, "b"), "new");
    kept.keep(`b ${i}`, Buffer.alloc(4_096));
  }
  t.is(kept.asked("a one", "a key", tell, "a"), "again");
  t.deepEqual(told, ["key"]);
  t.is(kept.asked("b 0", "a key", tell, "b"), "new");
  kept.close();
});
