import test from "ava";
import { answerKept } from "../../../../src/node/keys/ports.ts";
import { Answer, Answers } from "../../../../src/node/on-request/answers.ts";
import { ManualClock } from "../../../clock.ts";

const claimant = `0123456789ab${"1".repeat(12)}22222222`;

test("an answer can be repeated until its time is over, and is settled once", async (t) => {
  const clock = new ManualClock();
  const settled: Answer<string>[] = [];
  const answers = new Answers<string>(clock, (answer) => settled.push(answer));
  const answer = new Answer<string>(claimant, [], true);
  answers.add(answer);
  t.is(answers.withTokenOf(`${claimant.slice(0, 24)}33333333`), answer, "the token is the same");
  t.is(answers.withTokenOf("9".repeat(32)), undefined);
  answers.ready(answer);
  answers.begun(answer);
  await clock.advance(answerKept - 1);
  answers.ended(answer);
  t.deepEqual([answer.repeatable, settled.length], [true, 0]);
  await clock.advance(1);
  t.deepEqual([answer.repeatable, settled.length], [false, 1]);
  answers.ended(answer);
  t.is(settled.length, 1);
  t.is(answers.withTokenOf(claimant), undefined);
  t.is(clock.timers, 0);
});

test("an answer that is being sent when its time is over is settled when that ends", async (t) => {
  const clock = new ManualClock();
  const settled: Answer<string>[] = [];
  const answers = new Answers<string>(clock, (answer) => settled.push(answer));
  const answer = new Answer<string>(claimant, [], true);
  answers.add(answer);
  answers.ready(answer);
  answers.begun(answer);
  answers.begun(answer);
  await clock.advance(answerKept);
  answers.ended(answer);
  t.is(settled.length, 0, "one sending goes on");
  answers.ended(answer);
  t.deepEqual(settled, [answer]);
});

test("what is forgotten leaves no timer, and is settled by nothing any more", async (t) => {
  const clock = new ManualClock();
  const settled: Answer<string>[] = [];
  const answers = new Answers<string>(clock, (answer) => settled.push(answer));
  const answer = new Answer<string>(claimant, [], true);
  answers.add(answer);
  answers.ready(answer);
  t.is(clock.timers, 1);
  t.deepEqual(answers.clear(), [answer]);
  t.is(clock.timers, 0);
  t.true(answer.forgotten);
  await clock.advance(answerKept);
  t.is(settled.length, 0);
});
