import test from "ava";
import { always } from "../../../../src/base/wanted.ts";
import { RelayPair } from "../../../../src/km/relay/pair.ts";
import type { PairPolicy } from "../../../../src/km/relay/pair-parts.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";

const policy: PairPolicy = {
  routes: [["km-b"], ["km-x"]],
  routing: "configuration",
  scheme: "case-2",
  aes: false,
  pool: { kind: "adaptive", low: 80_000 },
  high: 160_000,
  batch: 1_000,
};

/**
 * A pair whose relays end as a test says.
 * @param pads bytes with each of both neighbours
 * @param reserved neighbours whose link is reserved
 */
function pairOf(
  pads: Record<string, number>,
  more: Partial<PairPolicy> = {},
  reserved: readonly string[] = [],
) {
  const begun: ((end: RelayEnd) => void)[] = [];
  const lengths: number[] = [];
  const wants: string[] = [];
  const there = { bytes: 0 };
  let now = 0;
  const far = { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"];
  const pair = new RelayPair({
    me: "km-a",
    far,
    policy: { ...policy, ...more },
    stock: () => there.bytes,
    begin: ({ length }, done) => {
      begun.push(done);
      lengths.push(length);
    },
    isReserved: (peer) => reserved.includes(peer),
    pads: (peer) => pads[peer] ?? 0,
    wantPads: (peer) => wants.push(peer),
    now: () => now,
    wall: () => now,
  });
  const tick = (ms = 100) => {
    now += ms;
    pair.tick();
  };
  return { pair, begun, lengths, wants, there, tick };
}

test("no more relays of a pool are begun than there are pads for", (t) => {
  const { pair, begun, tick } = pairOf({ "km-b": 3_200, "km-x": 2_000 });
  tick();
  // Each takes 1,000 bytes, and 32 of its tag.
  t.is(begun.length, 3);
  t.is(pair.failed, 0);
  t.is(pair.failingSince, undefined);
});

test("a pool without pads waits, and tells so; where AES may take their place it does not", (t) => {
  const { pair, begun, tick } = pairOf({ "km-b": 1_000, "km-x": 500 });
  tick();
  tick();
  t.is(begun.length, 0);
  t.is(pair.failed, 0);
  t.is(pair.failingSince, 100);
  t.like(pair.lastFailure, { failure: "stock", at: "km-a", route: ["km-b"] });
  const aes = pairOf({}, { aes: true });
  aes.tick();
  t.is(aes.begun.length, 10);
});

test("a pool all of whose links are reserved lacks a route, and no pads", (t) => {
  const { pair, begun, tick } = pairOf({ "km-b": 9_000, "km-x": 9_000 }, {}, ["km-b", "km-x"]);
  tick();
  t.is(begun.length, 0);
  t.like(pair.lastFailure, { failure: "route", at: "km-a", route: [] });
});

test("since when nothing comes is over with the first that does", (t) => {
  const { pair, begun, tick } = pairOf({ "km-b": 1_100 });
  tick();
  const fail = { failure: "late", at: "km-b" } as const;
  begun.shift()?.(fail);
  t.is(pair.failingSince, 100);
  // By the other route.
  begun.shift()?.(fail);
  tick(300);
  t.is(pair.failingSince, 100);
  begun.shift()?.(undefined);
  t.is(pair.failingSince, undefined);
});

test("where a KM of a route speaks an older version, relays are short for ten minutes", (t) => {
  const { pair, begun, tick } = pairOf(
    { "km-b": 10_000_000 },
    { routes: [["km-b"]], batch: 1_048_576, pool: { kind: "adaptive", low: 1e9 }, high: 2e9 },
  );
  tick();
  // 4 MiB are under way at a time.
  t.is(begun.length, 4);
  t.is(pair.batch, 1_048_576);
  for (const done of begun.splice(0)) done({ failure: "long", at: "km-b" });
  t.is(pair.batch, 57_344);
  tick(60_000);
  t.is(begun.length, 16);
  t.is(pair.batch, 57_344);
  tick(600_000);
  t.is(pair.batch, 1_048_576);
});

test("a hop that has no pads does not have those of the hops before it burnt, a batch each time", (t) => {
  const { begun, lengths, tick } = pairOf(
    { "km-b": 10_000_000 },
    { routes: [["km-b"]], batch: 16_384, pool: { kind: "adaptive", low: 1e9 }, high: 2e9 },
  );
  tick();
  t.deepEqual([...new Set(lengths.splice(0))], [16_384]);
  const fail = { failure: "stock", at: "km-b" } as const;
  for (const done of begun.splice(0)) done(fail);
  const failed: number[] = [];
  for (let i = 0; i < 20; i++) {
    tick(10_000);
    failed.push(lengths[0] as number);
    lengths.splice(0);
    for (const done of begun.splice(0)) done(fail);
  }
  t.deepEqual(failed.slice(0, 5), [4_096, 1_024, 256, 64, 64]);
  t.true(failed.slice(5).every((length) => length === 64));
  // Pads are there again: each that goes well is followed by one of twice its length.
  const grown = new Set<number>();
  for (let i = 0; i < 20; i++) {
    tick(10_000);
    for (const length of lengths.splice(0)) grown.add(length);
    begun.splice(0, 1).forEach((done) => {
      done(undefined);
    });
  }
  t.deepEqual([...grown], [64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384]);
});

test("a key that differs, or never came, says of its way alone that it is no good", (t) => {
  const { pair } = pairOf({});
  const ids = ["a1", "b2", "c3"].map((two) => two.repeat(16));
  for (const id of ids) pair.kept(id, { scheme: "case-2", via: ["km-b"] });
  const of = (...some: (string | undefined)[]) => ({
    ids: Buffer.from(some.join(""), "hex"),
    runs: [],
  });
  const batch = { ...of(ids[0]), modules: ["x", "y"], unit: 32, split: 0 } as const;
  pair.told({ type: "matched", number: 1, keys: 1, bytes: 32, waited: 0, batch });
  pair.told({ type: "differs", id: "", ...of(ids[0], "dd".repeat(16)) });
  t.is(pair.lastFailure, undefined);
  t.deepEqual(pair.ways.list(0), [["km-b"], ["km-x"]]);
  pair.told({ type: "differs", id: "", ...of(ids[1]) });
  t.like(pair.lastFailure, { failure: "differs", at: "km-c", route: ["km-b"] });
  pair.told({ type: "expired", keys: 1, bytes: 32, lackedBy: "them", ...of(ids[2]) });
  t.like(pair.lastFailure, { failure: "expired", route: ["km-b"] });
  t.is(pair.failed, 2);
  t.deepEqual(pair.ways.list(0), [["km-x"], ["km-b"]]);
});

/** A pair whose relays end at once. @param end by the first KM of the way */
function instantPair(more: Partial<PairPolicy>, end: (first: string | undefined) => RelayEnd) {
  let now = 0;
  const state = { begun: 0, told: [] as string[] };
  const pair: RelayPair = new RelayPair({
    me: "km-a",
    far: { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"],
    policy: { ...policy, ...more },
    stock: () => 0,
    begin: ({ via: [first] }, done) => {
      if (++state.begun > 1_000) throw new Error("a relay is tried for ever");
      done(end(first));
    },
    ask: (_, then) => {
      pair.ways.give([["km-b"]]);
      then((told, bytes) => state.told.push(told?.failure ?? `success ${bytes}`));
    },
    pads: () => 1e9,
    wantPads: () => {},
    now: () => now,
    wall: () => now,
  });
  const tick = (ms: number) => {
    now += ms;
    pair.tick();
  };
  return { pair, state, tick };
}

test("relays that fail at once are tried again later, and not for ever in one turn", (t) => {
  for (const kind of ["adaptive", "manual"] as const) {
    const pool = kind === "manual" ? ({ kind } as const) : ({ kind, low: 80_000 } as const);
    const away = { failure: "away", at: "km-a" } as const;
    const { pair, state, tick } = instantPair({ pool, routes: [["km-b"]] }, () => away);
    pair.order(125);
    tick(100);
    t.is(state.begun, 1, kind);
    t.is(pair.ordered, 125);
    tick(100);
    t.is(state.begun, 1, kind);
    tick(300);
    t.is(state.begun, 2, kind);
  }
});

test("a controller is told what was wrong with its way, also where another brought the key", (t) => {
  const more = { routing: "controller", routes: [["km-d"]], pool: { kind: "manual" } } as const;
  const stock = { failure: "stock", at: "km-b" } as const;
  const { pair, state, tick } = instantPair(more, (first) =>
    first === "km-b" ? stock : undefined,
  );
  const ends: RelayEnd[] = [];
  pair.demand(64, always, (end) => ends.push(end));
  t.deepEqual(ends, [undefined]);
  t.deepEqual(state.told, ["stock"]);
  tick(1_000);
  const well = instantPair(more, () => undefined);
  well.pair.demand(64, always, () => {});
  t.deepEqual(well.state.told, ["success 128"]);
});

/** A pair with AES, whose relays end by their scheme and first KM. @param ends failures, by both; others go well */
function withAes(routes: readonly string[], ends: Readonly<Record<string, string>>) {
  const { tried, ask } = pairWithAes(routes, ends);
  return { tried, end: ask(0) };
}

function pairWithAes(routes: readonly string[], ends: Readonly<Record<string, string>>) {
  const tried: string[] = [];
  let now = 0;
  const pair = new RelayPair({
    me: "km-a",
    far: { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"],
    policy: { ...policy, aes: true, routes: routes.map((km) => [km]), pool: { kind: "manual" } },
    stock: () => 0,
    begin: ({ via: [km], scheme }, done) => {
      const name = `${scheme} ${km}`;
      tried.push(name);
      const failure = ends[name];
      done(failure === undefined ? undefined : ({ failure, at: km } as RelayEnd));
    },
    pads: () => 1e9,
    wantPads: () => {},
    now: () => now,
    wall: () => now,
  });
  /** @param at time, ms @returns how it went */
  const ask = (at: number): RelayEnd | "waits" => {
    now = at;
    let end: RelayEnd | "waits" = "waits";
    pair.demand(64, always, (how) => {
      end = how;
    });
    return end;
  };
  return { tried, ask };
}

test("where AES may take their place, no pads are burnt again and again on a way that fails", (t) => {
  const { tried, ask } = pairWithAes(["b", "d"], { "case-2 b": "late", "case-2 d": "stock" });
  const triedAt = (at: number) => {
    t.is(ask(at), undefined);
    return tried.splice(0);
  };
  t.deepEqual(triedAt(0), ["case-2 b", "case-2 d", "aes d"]);
  for (const at of [100, 5_000, 9_000]) t.deepEqual(triedAt(at), ["aes d"]);
  t.true(triedAt(20_000).includes("case-2 b"));
});

test("AES comes where pads were short, whatever failed on the other routes, and in whichever order", (t) => {
  const ends = { "case-2 b": "away", "case-2 d": "stock" };
  t.deepEqual(withAes(["b", "d"], ends), {
    tried: ["case-2 b", "case-2 d", "aes d"],
    end: undefined,
  });
  t.deepEqual(withAes(["d", "b"], ends), {
    tried: ["case-2 d", "case-2 b", "aes d"],
    end: undefined,
  });
  const fails = { ...ends, "case-2 e": "stock", "aes d": "late" };
  t.deepEqual(withAes(["d", "b", "e"], fails), {
    tried: ["case-2 d", "case-2 b", "case-2 e", "aes d", "aes e"],
    end: undefined,
  });
  t.like(withAes(["d"], fails), { end: { failure: "late", at: "d" } });
  t.deepEqual(withAes(["b"], { "case-2 b": "policy" }).tried, ["case-2 b"]);
});

test("where there are no pads for a whole batch it is cut to those that there are, and more are asked for", (t) => {
  const pads = { "km-b": 16_384, "km-x": 0 };
  const { pair, begun, lengths, wants, tick } = pairOf(pads, {
    ...{ batch: 32_768, pool: { kind: "adaptive", low: 1e9 }, high: 2e9 },
  });
  tick();
  t.deepEqual([lengths, wants], [[], ["km-b", "km-x"]]);
  // It waits for a whole one at first, and nothing is wrong yet.
  t.is(pair.failingSince, undefined);
  for (let i = 0; i < 9; i++) tick();
  t.deepEqual(lengths, []);
  for (let i = 0; i < 11; i++) tick();
  t.deepEqual(lengths, [16_320]);
  // What is under way has its pads, and nothing is begun beside it.
  for (let i = 0; i < 50; i++) tick();
  t.is(begun.length, 1);
  pads["km-b"] = 32;
  begun.shift()?.(undefined);
  tick();
  t.like(pair.lastFailure, { failure: "stock", at: "km-a" });
  t.true(wants.length > 50);
  // The other end gave of its own: crumbs are left to lie.
  pads["km-b"] = 4_127;
  for (let i = 0; i < 100; i++) tick();
  t.deepEqual(lengths, [16_320]);
  pads["km-b"] = 4_128;
  for (let i = 0; i < 100; i++) tick();
  t.deepEqual(lengths, [16_320, 4_096]);
});

test("with AES what pads there are is used first, and nothing waits", (t) => {
  const { lengths, tick } = pairOf(
    { "km-b": 16_384 },
    { aes: true, batch: 32_768, pool: { kind: "adaptive", low: 640_000 }, high: 1e6 },
  );
  tick();
  t.deepEqual(lengths, [16_320, 32_768, 30_912]);
});

test("a relay that failed is what is told, also when it has burnt all pads", (t) => {
  const pads = { "km-b": 2_000 };
  const { pair, begun, tick } = pairOf(pads, { routes: [["km-b"]] });
  tick();
  const policyFails = { failure: "policy", at: "km-b" } as const;
  begun.shift()?.(policyFails);
  pads["km-b"] = 0;
  for (let i = 0; i < 100; i++) tick();
  t.like(pair.lastFailure, { failure: "policy", at: "km-b" });
  t.is(pair.failingSince, 100);
});

test("what failed is not wanted still when the other end has filled the pool, and what fails then is told for itself", (t) => {
  const pads = { "km-b": 20_000 };
  const { pair, begun, there, tick } = pairOf(pads, { routes: [["km-b"]] });
  tick();
  const late = { failure: "late", at: "km-b" } as const;
  const last = begun.pop();
  for (const done of begun.splice(0)) done(undefined);
  // All but one of them came: that is enough.
  there.bytes = 9_000;
  last?.(late);
  t.is(pair.failingSince, 100);
  tick();
  t.is(begun.length, 0);
  t.is(pair.failingSince, undefined);
  pads["km-b"] = 0;
  there.bytes = 1_000;
  for (let i = 0; i < 3; i++) tick(60_000);
  t.like(pair.lastFailure, { failure: "stock", at: "km-a" });
  t.is(pair.failingSince, 60_200);
});

test("a pool whose relays are under way again has failed since the first of them", (t) => {
  const { pair, begun, tick } = pairOf({ "km-b": 20_000 }, { routes: [["km-b"]] });
  tick();
  const late = { failure: "late", at: "km-b" } as const;
  for (const done of begun.splice(0)) done(late);
  for (let i = 0; i < 100 && begun.length === 0; i++) tick(1_000);
  // All that is wanted is on its way.
  for (let i = 0; i < 50; i++) tick();
  t.true(begun.length > 0);
  t.is(pair.failingSince, 100);
});
