import test from "ava";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import { keysOfPeriod } from "../../../../src/km/records/choice.ts";
import { noOffer } from "../../../../src/km/store/shapes.ts";
import { rounds } from "../../../campaign-scale.ts";
import type { Plant } from "../../../sim/km/plants.ts";
import { kmStory, World } from "../../../sim/km/story.ts";
import { isShort } from "../../../whole-run.ts";

/** Now and then one of the two is ordered to give up every third extent that it has. */
const orders: Plant = {
  name: "orders to give up keys",
  orders: true,
  into: (link, km, world) => {
    const { clock } = world;
    const life = km.life;
    const next = () =>
      clock.after(700, () => {
        if (!km.alive || km.life !== life) return;
        const numbers = [...link.books.stock.extents.keys()].filter((number) => number % 3 === 0);
        link.revoke(new Set(numbers), ({ bytes }) => world.count("revoked", bytes));
        next();
      });
    next();
  },
};

test("orders to give up keys break no rule, whatever crashes, is cut or put back meanwhile", (t) => {
  let revoked = 0;
  for (let seed = 1; seed <= (isShort ? 2 : rounds(60)); seed++) {
    const { broken, counts } = kmStory(seed, 400, orders);
    t.deepEqual(broken, [], `seed ${seed}`);
    revoked += counts.revoked ?? 0;
  }
  t.true(revoked > 0);
});

test("what is given up is told at both ends under one ID, and neither has a free byte of it", (t) => {
  const calm = { faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 };
  const told: LinkEvent[] = [];
  const world = new World(3, 200, { name: "none", world: calm });
  // The core tells its world; here the test listens in between.
  for (const km of [world.a, world.b]) km.onTold = (event) => told.push(event);
  t.deepEqual(world.run().broken, []);
  const { a, b, clock } = world;
  const free = () => [a, b].map(({ link: { books } }) => books.stock.free(0) + books.stock.free(1));
  t.true((free()[0] ?? 0) > 0);
  t.is(free()[0], free()[1]);
  told.length = 0;
  let bytes = 0;
  a.link.revoke(new Set(a.link.books.stock.extents.keys()), (revoked) => {
    bytes = revoked.bytes;
  });
  clock.runUntil(clock.now + 10_000);
  t.true(bytes > 0);
  t.deepEqual(free(), [0, 0]);
  const uses = told.filter((event) => event.type === "use");
  t.true(uses.every(({ offer, state }) => offer === noOffer && state === "V"));
  const ids = (owner: boolean) =>
    uses.flatMap((use) => (use.owner === owner ? use.keys.map(({ id }) => id) : []));
  t.deepEqual(ids(true).sort(), ids(false).sort());
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
  t.is(a.link.books.stock.extents.size + b.link.books.stock.extents.size, 0);
});

test("keys that wait leave the buffer at the leader's order, at both ends, and none is said to differ", (t) => {
  const told: LinkEvent[] = [];
  // Nothing is proposed.
  const world = new World(5, 60, {
    name: "none",
    world: {
      faults: { kinds: [], meanMs: 1_000 },
      differ: 0,
      lost: 0,
      limits: { window: 0 },
    },
  });
  for (const km of [world.a, world.b]) km.onTold = (event) => told.push(event);
  world.link.begin();
  world.network.allow(true);
  const { clock, a, b } = world;
  clock.runUntil(5_000);
  t.true(a.link.bufferedKeys > 0);
  const { dropped, inBatch } = a.link.revokeWaiting(keysOfPeriod({ from: 0, to: 1e12 }));
  t.is(inBatch, 0);
  t.true(dropped > 0);
  clock.runUntil(clock.now + 3_000);
  t.is(b.link.bufferedKeys, a.link.bufferedKeys);
  const drops = told.filter((event) => event.type === "dropped");
  t.deepEqual(
    drops.map(({ reason }) => reason),
    ["order", ...Array.from({ length: dropped }, () => "order")],
  );
  t.false(told.some(({ type }) => type === "differs"));
});
