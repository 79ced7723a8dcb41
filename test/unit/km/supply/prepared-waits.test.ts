/** A key that is prepared for no application yet is not too late for one: its time counts from when it has one. */
import test from "ava";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { settle } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0, limits: { lowWater: 0 } },
};
const use = "app-a app-b";
const pickUp = 60;

/** Two key managers at rest, with two keys that one of them has prepared. */
async function prepared(isLost: (message: KxMessage) => boolean = () => false) {
  await settle();
  const meddle = (message: KxMessage) => (isLost(message) ? [] : [message]);
  const world = new World(21, 300, { name: "none", world: calm, meddle });
  world.run();
  const { a, b, clock, network } = world;
  network.allow(true);
  const after = (s: number) => clock.runUntil(clock.now + s * 1_000);
  a.link.owner.preOffer(2, 8, pickUp, clock.now + 5_000);
  after(1);
  const states = () =>
    [a, b].map(({ link }) => [...link.books.uses.values()].map(({ state }) => state).toSorted());
  /** An application is given one. */
  const give = () => {
    const wanted = { use, keys: 1, length: 8, pickUp, deadline: clock.now + 5_000 };
    a.link.owner.request(wanted, () => {});
    after(1);
  };
  const expired = () => b.link.books.state.told.expired;
  return { after, states, give, network, expired, world };
}

test("prepared keys are there after any time; one that is given has all of its time, and no more", async (t) => {
  const { after, states, give, expired } = await prepared();
  after(100 * pickUp);
  const bound = ["B", "B"];
  t.deepEqual(states(), [["P", "P"], bound]);
  const before = expired();
  give();
  after(pickUp - 5);
  t.deepEqual(states(), [["P", "S"], bound]);
  after(10);
  t.deepEqual(states(), [["P"], ["B"]]);
  t.is(expired(), before + 8);
});

test("one that the comparison of both books tells the application of has its time from then on", async (t) => {
  const { after, states, give, network } = await prepared((message) => message.type === "assign");
  after(100 * pickUp);
  give();
  after(2 * pickUp);
  t.deepEqual(states(), [
    ["P", "S"],
    ["B", "B"],
  ]);
  network.cut();
  after(20);
  t.deepEqual(states(), [
    ["P", "S"],
    ["B", "B"],
  ]);
  after(pickUp);
  t.deepEqual(states(), [["P"], ["B"]]);
});

test("keys that their owner gives up while the other end still compares them are bound by neither", async (t) => {
  const { world, after } = await prepared();
  const { a, b, clock } = world;
  const keys = () => [a, b].map(({ link }) => link.books.uses.size);
  for (let ms = 1; ms < 60; ms++) {
    a.link.owner.preOffer(1, 8, pickUp, clock.now + ms);
    clock.runUntil(clock.now + ms);
    a.link.tick();
    after(1);
    const [own, theirs] = keys();
    t.is(own, theirs, `given up after ${ms} ms`);
  }
  t.true((keys()[0] ?? 0) > 2);
});
