/** The way on which a controller orders a reserved key to be relayed, at the KM that begins that. */
import test from "ava";
import { RelayNode } from "../../../../src/km/relay/node.ts";
import { macKeyBytes } from "../../../../src/km/relay/one-time-mac.ts";
import type { RelayLink, RelayWorld } from "../../../../src/km/relay/ports.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";
import { decodePayload, encodePayload } from "../../../../src/wire/kx/codec.ts";
import { command, limits } from "../../../../src/wire/kx/names.ts";

/** @param bytes of the reserved key */
function bench(bytes: number) {
  const state = { claimed: 0, sent: 0 };
  const linkTo = (peer: string): RelayLink => ({
    ...{ peer, ready: true, longest: 1_048_576 },
    lend: (length, _use, _deadline, done) =>
      done({ id: Buffer.alloc(16, 7), bytes: Buffer.alloc(length, 1) }),
    claim: (_id, _use, done) => {
      state.claimed++;
      done(Buffer.alloc(bytes + macKeyBytes, 2));
    },
    send: (message) => {
      if (message.type !== "relay") return;
      // As the other end of the link hears it.
      decodePayload(command.relay, encodePayload(message));
      state.sent++;
    },
    ...{ refuse: () => {}, release: () => {} },
    ...{ keep: (_key, done) => done(true), drop: () => {} },
  });
  const links = new Map(["a", "c"].map((peer) => [peer, linkTo(peer)]));
  const world: RelayWorld = {
    ...{ me: "b", link: (peer) => links.get(peer) },
    ...{ now: () => 0, wall: () => 0, random: (length) => Buffer.alloc(length) },
    keyBits: (_length, done) => done(undefined),
    ...{ mayPass: () => true, mayKeep: () => true, tell: () => {}, odd: () => {} },
  };
  const node = new RelayNode(world, 1_000);
  const order = (between: readonly string[]) => {
    const ends: RelayEnd[] = [];
    const relay = Buffer.alloc(16, state.claimed + 1);
    const path = ["a", "b", "c", ...between, "z"];
    node.relayReserved({ relay, pad: Buffer.alloc(16, 7), time: 5, path }, (end) => ends.push(end));
    return ends;
  };
  return { order, state };
}

const others = (count: number, bytes: number) =>
  Array.from({ length: count }, (_, i) => `${i}`.padEnd(bytes, "x"));

test("a way that no message can tell costs no pad, and breaks no session", (t) => {
  const { order, state } = bench(limits.shortRelayBytes);
  const noWay = [{ failure: "route", at: "b" }];
  t.deepEqual(order(others(limits.routeKms - 3, 3)), noWay as never, "too many KMs");
  t.deepEqual(order(others(20, 255)), noWay as never, "KM IDs that are too long together");
  t.deepEqual(order(others(60, 255)), noWay as never);
  t.deepEqual(state, { claimed: 0, sent: 0 });
  t.deepEqual(order(others(limits.routeKms - 4, 100)), []);
  t.deepEqual(state, { claimed: 1, sent: 1 });
});

test("a pad that its source lent too short has no key in it, and nothing is sent", (t) => {
  for (const bytes of [0, -1, -12, 1 - macKeyBytes]) {
    const { order, state } = bench(bytes);
    t.deepEqual(order([]), [{ failure: "pad", at: "b" }], `${bytes}`);
    t.is(state.sent, 0);
  }
  const { order, state } = bench(1);
  t.deepEqual(order([]), []);
  t.is(state.sent, 1);
});
