/** What is written again of changes whose COMMIT was not answered. */
import test from "ava";
import { InDoubt } from "../../../../src/controller/io/store/in-doubt.ts";
import type { ChangeStatus } from "../../../../src/controller/model/status.ts";

const change = (): ChangeStatus => {
  return { time: "2026-12-01T00:00:00.000Z", kind: "policy", object: "km-a", text: "reserved" };
};

test("only what is in the database is left out, and what looks the same is not the same", (t) => {
  const doubt = new InDoubt();
  const [one, two, three] = [change(), change(), change()];
  doubt.failed([one]);
  t.true(doubt.isOpen);
  doubt.settle(true);
  t.false(doubt.isOpen);
  t.deepEqual(doubt.missing([one, two]).length, 1);
  t.is(doubt.missing([one, two])[0], two);
  doubt.failed([two]);
  doubt.settle(false);
  t.deepEqual(doubt.missing([one, two, three]).length, 2, "of two that failed one is there");
  doubt.clear();
  t.is(doubt.missing([one, two]).length, 2);
});
