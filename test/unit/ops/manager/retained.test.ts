import test from "ava";
import { RetainedTopics } from "../../../../src/ops/manager/retained.ts";
import { topics } from "../../../../src/ops/manager/topics.ts";
import { ManualClock } from "../../../clock.ts";

test("who waits for the broker to have a state hears of the latest alone, once", (t) => {
  const retained = new RetainedTopics(new ManualClock(), () => {});
  const had: string[] = [];
  const set = (name: string) =>
    retained.set({
      topic: "a/link",
      kind: topics.status,
      payload: Buffer.from(name),
      whenTaken: () => had.push(name),
    });
  set("first");
  const first = retained.next();
  set("second");
  const second = retained.next();
  if (first === undefined || second === undefined) return t.fail();
  retained.done(first);
  t.deepEqual(had, []);
  retained.done(second);
  retained.done(second);
  t.deepEqual(had, ["second"]);
});
