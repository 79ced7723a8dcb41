import test from "ava";
import { PairPlan } from "../../../src/controller/routing/pair-plan.ts";

const terms = { weight: 1, guaranteed: 0, priority: 0, most: 1_000 };
const by = (km: string, rate = 100) => ({ route: ["a", km, "z"], rate });
const at = (now: number) => ({ now, wall: now, drainMs: 10_000 });

/** It used the ways by x and by y, and two relays go by x. */
function planOf() {
  const plan = new PairPlan("a--z", "a", "z", terms, 0);
  plan.change([by("x"), by("y")], at(0));
  const [x] = plan.routes;
  if (x !== undefined) x.underWay = 2;
  return { plan, x };
}

test("a route that is given up keeps what was promised to it until its relays have ended", (t) => {
  const { plan, x } = planOf();
  plan.change([by("y"), by("w")], at(1_000));
  t.deepEqual(
    plan.routes.map(({ route }) => route[1]),
    ["y", "w"],
  );
  // The way by x has relays, that by y stays.
  t.deepEqual(
    plan.draining.map(({ planned }) => planned),
    [x],
  );
  if (x !== undefined) x.underWay = 1;
  plan.tick(5_000);
  t.is(plan.draining.length, 1);
  if (x !== undefined) x.underWay = 0;
  plan.tick(5_100);
  t.is(plan.draining.length, 0);
});

test("a route is drained no longer than the configuration says, and not at all where nothing goes by it", (t) => {
  const { plan } = planOf();
  plan.change([by("w")], at(1_000));
  t.is(plan.draining.length, 1);
  plan.tick(10_999);
  t.is(plan.draining.length, 1);
  plan.tick(11_000);
  t.is(plan.draining.length, 0);
});

test("what is under way is lost with a link that failed", (t) => {
  const { plan } = planOf();
  plan.change([by("y")], { ...at(1_000), drainMs: 0 });
  t.is(plan.draining.length, 0);
});
