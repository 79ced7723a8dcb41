import test from "ava";
import { Troubles } from "../../../../src/controller/io/store/troubles.ts";

test("a connection that answers hides no write that failed, and a good write no connection that is over", (t) => {
  const told: (string | undefined)[] = [];
  const troubles = new Troubles((why) => told.push(why));
  troubles.tell("writing", "disk full");
  for (let second = 0; second < 3; second++) troubles.tell("connection", undefined);
  t.deepEqual(told, Array(4).fill("disk full"));
  troubles.tell("connection", "away");
  troubles.tell("writing", undefined);
  t.deepEqual(told.slice(4), ["away", "away"]);
  troubles.tell("connection", undefined);
  t.is(told.at(-1), undefined);
});
