import test from "ava";
import { NextHops } from "../../../../src/km/controllers/next-hops.ts";
import { settle } from "../../../clock.ts";

function bench() {
  const state = { now: 0, hops: ["km-b", "km-d"] as readonly string[], asked: 0 };
  const hops = new NextHops({
    now: () => state.now,
    ask: async () => {
      state.asked++;
      return state.hops;
    },
  });
  const after = async (...path: string[]) => {
    const found: (string | undefined)[] = [];
    hops.after(path, (next) => found.push(next));
    await settle();
    return found.length === 1 ? found[0] : "not told once";
  };
  return { hops, state, after };
}

test("a controller is asked once for a while, and never leads back to where the key was", async (t) => {
  const { state, after } = bench();
  t.is(await after("km-a", "km-x", "km-c"), "km-b");
  t.is(await after("km-a", "km-b", "km-c"), "km-d");
  t.is(await after("km-a", "km-b", "km-d", "km-c"), undefined);
  t.is(state.asked, 1);
  state.now = 5_000;
  await after("km-a", "km-x", "km-c");
  t.is(state.asked, 2);
  state.hops = ["km-c"];
  t.is(await after("km-q", "km-x", "km-c"), "km-c");
});

test("what failed is asked for again; while no controller answers the last word holds", async (t) => {
  const { hops, state, after } = bench();
  const path = ["km-a", "km-x", "km-c"] as const;
  await after(...path);
  hops.failed([...path]);
  state.hops = ["km-d"];
  t.is(await after(...path), "km-d");
  t.is(state.asked, 2);
  hops.failed([...path]);
  state.hops = [];
  t.is(await after(...path), "km-d");
  t.is(state.asked, 3);
});
