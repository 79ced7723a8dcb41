import test from "ava";
import { Contradictions } from "../../../../src/km/controllers/contradictions.ts";

test("orders of two controllers that undo each other four times in five minutes are told, with both", (t) => {
  const orders = new Contradictions();
  const told = [];
  for (let n = 0; n < 5; n++) {
    const [what, by] = n % 2 === 0 ? ["standby", "one"] : ["in service", "two"];
    told.push(orders.ordered("service of b", what, by, n * 60_000));
    t.is(orders.ordered("service of b", what, by, n * 60_000 + 1), undefined, "the same again");
  }
  t.deepEqual(told, [
    ...[undefined, undefined, undefined, undefined],
    "service of b: two orders in service, one standby",
  ]);
  t.is(orders.ordered("service of b", "in service", "two", 300_000), undefined, "counted anew");
});

test("what one controller changes, two agree on, or change seldom, is no contradiction", (t) => {
  const orders = new Contradictions();
  for (let n = 0; n < 20; n++) {
    t.is(orders.ordered("route of c", `by ${n}`, "one", n * 1_000), undefined);
    t.is(orders.ordered("route of d", "by b", n % 2 === 0 ? "one" : "two", n * 1_000), undefined);
    const rare = n % 2 === 0 ? "one" : "two";
    t.is(orders.ordered("route of e", `by ${n}`, rare, n * 100_000), undefined);
  }
});
