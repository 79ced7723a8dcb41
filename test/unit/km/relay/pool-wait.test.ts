import test from "ava";
import { RelayPair } from "../../../../src/km/relay/pair.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";

/** A pool that lacks much, with pads for all of it, whose relays end as a test says. */
function emptyPool() {
  const begun: ((end: RelayEnd) => void)[] = [];
  const lengths: number[] = [];
  let now = 0;
  const far = { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"];
  const pair = new RelayPair({
    me: "km-a",
    far,
    policy: {
      routes: [["km-b"]],
      routing: "configuration",
      scheme: "case-2",
      aes: false,
      pool: { kind: "adaptive", low: 800_000 },
      high: 1_600_000,
      batch: 1_000,
    },
    stock: () => 0,
    begin: ({ length }, done) => {
      begun.push(done);
      lengths.push(length);
    },
    pads: () => 10_000_000,
    wantPads: () => {},
    now: () => now,
    wall: () => now,
  });
  const tick = (ms: number) => {
    now += ms;
    pair.tick();
  };
  return { begun, lengths, tick };
}

const refused = { failure: "policy", at: "km-c" } as const;

test("relays of a pool that fail together are one failure: the next is tried soon, and alone", (t) => {
  const { begun, lengths, tick } = emptyPool();
  tick(100);
  t.is(begun.length, 16);
  for (const done of begun.splice(0)) done(refused);
  tick(200);
  t.is(begun.length, 0);
  tick(50);
  t.is(begun.length, 1);
  t.is(lengths.at(-1), 250);
  tick(100);
  t.is(begun.length, 1);
  // It goes well: so do the others, perhaps.
  begun.shift()?.(undefined);
  t.is(begun.length, 16);
  t.is(lengths.at(-1), 500);
});

test("a way on which all fails costs a pool one short relay each ten seconds", (t) => {
  const { begun, lengths, tick } = emptyPool();
  const fail = () => {
    for (const done of begun.splice(0)) done(refused);
  };
  for (let at = 0; at < 60_000; at += 100) {
    tick(100);
    fail();
  }
  lengths.length = 0;
  for (let at = 0; at < 60_000; at += 100) {
    tick(100);
    fail();
  }
  t.deepEqual(lengths, Array(6).fill(64));
});
