/** What controllers and operators order of a pair, up to the most that there is to be. */
import test from "ava";
import { always } from "../../../../src/base/wanted.ts";
import { RelayPair } from "../../../../src/km/relay/pair.ts";
import type { RelayEnd } from "../../../../src/km/relay/source.ts";

const high = 64_000;
const batch = 1_000;

/** A pair whose relays wait until a test ends them; what came is stock. */
function bench() {
  const begun: { readonly length: number; readonly done: (end: RelayEnd) => void }[] = [];
  const state = { stock: 0, now: 0 };
  const pair = new RelayPair({
    me: "km-a",
    far: { peer: "km-c", ready: true } as ConstructorParameters<typeof RelayPair>[0]["far"],
    policy: {
      ...{ routes: [["km-b"]], routing: "controller", scheme: "case-2", aes: false },
      ...{ pool: { kind: "manual" }, high, batch },
    },
    stock: () => state.stock,
    begin: ({ length }, done) => begun.push({ length, done }),
    pads: () => 1e9,
    wantPads: () => {},
    now: () => state.now,
    wall: () => state.now,
  });
  /** All that is begun goes well, and what is begun after it. */
  const goOn = () => {
    for (let one = begun.shift(); one !== undefined; one = begun.shift()) {
      state.stock += one.length;
      one.done(undefined);
    }
  };
  return { pair, begun, state, goOn };
}

test("orders that come together fill stock no higher than one of them may", (t) => {
  const { pair, state, goOn } = bench();
  const ends: [RelayEnd, number][] = [];
  for (let i = 0; i < 20; i++) {
    pair.orderBy(["km-b"], high / 8, 60_000, (end, bytes) => ends.push([end, bytes]));
  }
  goOn();
  t.is(state.stock, high / 8);
  t.is(ends.length, 20);
  t.deepEqual(
    ends.filter(([end]) => end !== undefined),
    [],
    "none of them failed",
  );
  t.is(
    ends.reduce((sum, [, bytes]) => sum + bytes, 0),
    high / 8,
    "each tells what came by it",
  );
});

test("an operator orders no more than there is room for, and no order fills stock over that", (t) => {
  const { pair, begun, state, goOn } = bench();
  const tick = () => {
    state.now += 100;
    pair.tick();
    goOn();
  };
  t.false(pair.order(8_001));
  t.true(pair.order(5_000));
  t.false(pair.order(3_001), "what was ordered before counts");
  t.is(pair.room, 3_000);
  tick();
  t.is(state.stock, 5_000);
  t.true(pair.order(3_000));
  // An application has some relayed before it is begun.
  pair.demand(500, always, () => {});
  goOn();
  for (let i = 0; i < 3; i++) tick();
  t.is(state.stock, high / 8);
  t.is(pair.ordered, 1_000);
  t.is(pair.room, 0);
  // As soon as some is used the rest comes.
  state.stock -= 400;
  tick();
  t.is(state.stock, high / 8);
  t.is(pair.ordered, 600);
  t.is(begun.length, 0);
});
