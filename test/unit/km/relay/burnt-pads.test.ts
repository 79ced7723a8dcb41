/** Relays that fail on their way burn pads of its hops: what applications ask for does so no more often than it has to. */
import test from "ava";
import { always } from "../../../../src/base/wanted.ts";
import { RelayPair } from "../../../../src/km/relay/pair.ts";
import type { PoolPolicy } from "../../../../src/km/relay/pool.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";

const policyFails = { failure: "policy", at: "km-b" } as const;

/** A pair whose relays end at once. @param endOf by the first KM of the way */
function bench(
  routes: readonly string[],
  endOf: (first: string | undefined) => RelayEnd,
  pool: PoolPolicy = { kind: "manual" },
) {
  const state = { now: 0, begun: 0 };
  const pair = new RelayPair({
    me: "km-a",
    far: { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"],
    policy: {
      ...{ routes: routes.map((km) => [km]), routing: "configuration", scheme: "case-2" },
      ...{ aes: false, pool, high: 160_000, batch: 1_000 },
    },
    stock: () => 0,
    begin: ({ via: [first] }, done) => {
      state.begun++;
      done(endOf(first));
    },
    ...{ pads: () => 1e9, wantPads: () => {} },
    ...{ now: () => state.now, wall: () => state.now },
  });
  const ask = () => {
    const ends: RelayEnd[] = [];
    pair.demand(64, always, (end) => ends.push(end));
    return ends;
  };
  const tick = (ms: number) => {
    state.now += ms;
    pair.tick();
  };
  return { state, ask, pair, tick };
}

test("a way that fails is tried for one question in a while that grows, and each is told why", (t) => {
  const { state, ask } = bench(["km-b"], () => policyFails);
  for (let n = 0; n < 100; n++) t.deepEqual(ask(), [policyFails]);
  t.is(state.begun, 1);
  for (let i = 0; i < 60; i++) {
    state.now += 1_000;
    for (let n = 0; n < 100; n++) t.deepEqual(ask(), [policyFails]);
  }
  // After 0.25 s, and so on, up to 10 s.
  t.true(state.begun > 4 && state.begun <= 12, `${state.begun}`);
});

test("another way is tried for each question beside it", (t) => {
  const { state, ask } = bench(["km-b", "km-x"], (km) => (km === "km-b" ? policyFails : undefined));
  for (let n = 0; n < 100; n++) t.deepEqual(ask(), [undefined]);
  t.is(state.begun, 101);
});

test("what fails without a pad is tried for each question", (t) => {
  const { state, ask } = bench(["km-b"], () => ({ failure: "away", at: "km-a" }));
  for (let n = 0; n < 100; n++) ask();
  t.is(state.begun, 100);
});

test("a way that works again is tried for each question again, within ten seconds", (t) => {
  let end: RelayEnd = { failure: "late", at: "km-a" };
  const { state, ask } = bench(["km-b"], () => end);
  for (let i = 0; i < 100; i++) {
    ask();
    state.now += 1_000;
  }
  end = undefined;
  state.now += 10_000;
  t.deepEqual(ask(), [undefined]);
  const { begun } = state;
  for (let i = 0; i < 10; i++) t.deepEqual(ask(), [undefined]);
  t.is(state.begun, begun + 10);
});

test("what is repaired is tried for the next question, and not after what its failures made it wait", (t) => {
  const repairs = {
    "a session with its first KM": (pair) => pair.linkReady("km-b"),
    "a session with the destination": (pair) => pair.linkReady("km-c"),
    "a route of a controller": (pair) => pair.orderBy(["km-b"], 0, 60_000, () => {}),
  } satisfies Record<string, (pair: RelayPair) => void>;
  for (const [what, repair] of Object.entries(repairs)) {
    let end: RelayEnd = { failure: "stock", at: "km-b" };
    const { state, ask, pair } = bench(["km-b"], () => end);
    for (let i = 0; i < 60; i++) {
      ask();
      state.now += 1_000;
    }
    ask();
    end = undefined;
    const elsewhere = () => {
      pair.linkReady("km-x");
      pair.orderBy(["km-x"], 0, 60_000, () => {});
    };
    elsewhere();
    t.like(ask(), [{ failure: "stock" }], what);
    repair(pair);
    t.deepEqual(ask(), [undefined], what);
  }
});

test("a way whose keys are others is tried once in a while that grows, and fails until one is the same", (t) => {
  const name = "a1".repeat(16);
  const ids = Buffer.from(name, "hex");
  const kept = () => pair.kept(name, { scheme: "case-2", via: ["km-b"] });
  const { state, ask, pair, tick } = bench(["km-b"], () => undefined, {
    kind: "adaptive",
    low: 80_000,
  });
  const differs = () => pair.told({ type: "differs", id: "", ids, runs: [] });
  kept();
  differs();
  state.now += 1;
  state.begun = 0;
  for (let i = 0; i < 600; i++) {
    tick(100);
    ask();
    if (state.begun > 0) kept();
    differs();
  }
  // Its destinations say that they have them, each time.
  t.true(state.begun > 4 && state.begun <= 12, `${state.begun}`);
  t.is(pair.failingSince, 0);
  t.like(pair.lastFailure, { failure: "differs", route: ["km-b"] });
  kept();
  const batch = { ids, runs: [], modules: ["x", "y"], unit: 32, split: 0 } as const;
  pair.told({ type: "matched", number: 1, keys: 1, bytes: 32, waited: 0, batch });
  t.is(pair.failingSince, undefined);
  const { begun } = state;
  for (let i = 0; i < 10; i++) t.deepEqual(ask(), [undefined]);
  // The first of them began with a short one.
  t.is(state.begun, begun + 11);
});
