/** Keys that a source reserves for a relay which the next KM begins, and what becomes of those that are not allocated. */
import test from "ava";
import { macKeyBytes } from "../../../../src/km/relay/one-time-mac.ts";
import type { RelayLink, RelayTold, RelayWorld } from "../../../../src/km/relay/ports.ts";
import { RelaySource, type ReservedKey } from "../../../../src/km/relay/source.ts";

function bench() {
  const state = { now: 0, drawn: 0, pads: 10 };
  const told: RelayTold[] = [];
  const said: string[] = [];
  const kept: Buffer[] = [];
  const linkTo = (peer: string): RelayLink => ({
    peer,
    ready: true,
    longest: 1_048_576,
    lend: (length, _use, _deadline, done) => {
      if (state.pads-- <= 0) return done("stock");
      done({ id: Buffer.alloc(16, 7), bytes: Buffer.alloc(length, state.pads + 1) });
    },
    claim: (_id, _use, done) => done(undefined),
    refuse: () => {},
    release: () => {},
    send: ({ type }) => said.push(`${type} to ${peer}`),
    keep: ({ bytes }, done) => {
      kept.push(Buffer.from(bytes));
      done(true);
    },
    drop: () => {},
  });
  const links = new Map([linkTo("b"), linkTo("c")].map((link) => [link.peer, link]));
  const world: RelayWorld = {
    me: "a",
    link: (peer) => links.get(peer),
    now: () => state.now,
    wall: () => state.now,
    random: (length) => Buffer.alloc(length, ++state.drawn),
    keyBits: (_length, done) => done(undefined),
    mayPass: () => true,
    mayKeep: () => true,
    tell: (event) => told.push(event),
    odd: (message) => said.push(`odd ${message}`),
  };
  const source = new RelaySource(world, 1_000);
  const far = links.get("c") as RelayLink;
  const reserve = () => {
    const results: (ReservedKey | { readonly failure: string })[] = [];
    const order = { far, via: ["b"], scheme: "case-1", length: 64 } as const;
    source.reserve(order, (result) => results.push(result));
    return results;
  };
  const reserved = () => {
    const [one] = reserve();
    if (one === undefined || "failure" in one) throw new Error("nothing was reserved");
    return one;
  };
  return { source, state, told, said, kept, reserve, reserved };
}

test("what is reserved is a pad without its tag's part, and becomes stock once", (t) => {
  const { source, reserved, kept, told } = bench();
  const one = reserved();
  t.is(one.relay.length + one.pad.length, 32);
  const ends: unknown[] = [];
  t.false(source.allocate(one.relay, "b", (end) => ends.push(end)));
  t.true(source.allocate(one.relay, "c", (end) => ends.push(end)));
  t.false(source.allocate(one.relay, "c", (end) => ends.push(end)));
  t.deepEqual(ends, [undefined]);
  t.deepEqual(kept, [Buffer.alloc(64, 10)]);
  t.like(told, [{ role: "source", scheme: "case-1", path: ["a", "b", "c"], length: 64 }]);
  t.true(macKeyBytes > 0);
});

test("the word of a KM on the way does not allocate it: a controller does", (t) => {
  const { source, reserved, kept, said } = bench();
  const { relay } = reserved();
  const from = { peer: "b" } as RelayLink;
  t.true(source.heardRelayed(from, { type: "relayed", relay, at: "c" }));
  t.deepEqual([kept.length, said], [0, ["odd relayed"]]);
  t.is(source.underWay, 1);
});

test("one that is not allocated in time, or whose link ends, is void, and the destination is told", (t) => {
  const { source, reserved, state, told, said } = bench();
  const one = reserved();
  state.now = 59_999;
  source.tick();
  t.is(source.underWay, 1);
  state.now = 60_000;
  source.tick();
  t.is(source.underWay, 0);
  t.false(source.allocate(one.relay, "c", () => t.fail()));
  t.like(told, [{ failure: "late" }]);
  t.deepEqual(said, ["relayVoid to c"]);
  reserved();
  source.down("b");
  t.like(told[1], { failure: "away" });
  t.is(source.underWay, 0);
});

test("without a pad nothing is reserved; and never more than there is a place for", (t) => {
  const { state, reserve, source } = bench();
  state.pads = 0;
  t.like(reserve(), [{ failure: "stock" }]);
  state.pads = 1_000;
  const all = Array.from({ length: 70 }, () => reserve()[0] as object);
  t.is(all.filter((one) => "failure" in one).length, 6);
  t.is(source.underWay, 64);
});
