/** Requests that the other end refuses, or does not answer, cost stock: they are tried ever less often. */
import test from "ava";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { settle } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0, limits: { lowWater: 0, underWay: 4 } },
};

async function calmWorld(isLost = (_message: KxMessage) => false) {
  await settle();
  const meddle = (message: KxMessage) => (isLost(message) ? [] : [message]);
  const world = new World(21, 300, { name: "none", world: calm, meddle });
  world.run();
  const { a, clock, network } = world;
  network.allow(true);
  const { books, owner } = a.link;
  const free = () => books.stock.free(books.side);
  /** @returns what became of it, and its bytes that are not free any more */
  const ask = (keys: number, pickUp: number) => {
    const before = free();
    let end: unknown;
    const use = '["sae-a","sae-b"]';
    const about = { use, keys, length: 8, pickUp, deadline: clock.now + 3_000 };
    owner.request(about, (result) => {
      end = typeof result === "string" ? result : "keys";
    });
    clock.runUntil(clock.now + 100);
    return [end, (before - free()) / 8];
  };
  const reconnect = () => {
    network.cut();
    clock.runUntil(clock.now + 500);
  };
  return { clock, ask, reconnect };
}

test("applications that ask again and again while the other end is full burn stock ever less often", async (t) => {
  const { clock, ask } = await calmWorld();
  let burnt = 0;
  for (let n = 0; n < 600; n++) {
    const [end, keys] = ask(8, 60);
    t.is(end, "refused");
    burnt += keys as number;
  }
  t.true(burnt <= 8 * 16, `${burnt} keys in a minute`);
  clock.runUntil(clock.now + 20_000);
  t.deepEqual(ask(8, 60), ["refused", 8]);
});

test("a request that is too large holds up no smaller one, and one that is bound ends the wait", async (t) => {
  const { clock, ask } = await calmWorld();
  t.deepEqual(ask(8, 1), ["refused", 8]);
  t.deepEqual(ask(8, 1), ["refused", 0]);
  t.deepEqual(ask(4, 1), ["keys", 4]);
  t.deepEqual(ask(1, 1), ["refused", 1]);
  t.deepEqual(ask(1, 1), ["refused", 0]);
  // The keys that were bound expire.
  clock.runUntil(clock.now + 20_000);
  t.deepEqual(ask(2, 1), ["keys", 2]);
  t.deepEqual(ask(1, 1), ["keys", 1]);
});

test("an other end that does not answer, as when its disk hangs, burns stock ever less often", async (t) => {
  let hangs = true;
  const { clock, ask } = await calmWorld(({ type }) => hangs && type === "ack");
  let burnt = 0;
  const ends: unknown[] = [];
  for (let n = 0; n < 600; n++) {
    const [end, keys] = ask(1, 60);
    ends.push(end);
    burnt += keys as number;
  }
  // Those of the first three seconds: it is not known before.
  t.true(burnt <= 30 + 16, `${burnt} keys in a minute`);
  t.is(ends.at(-1), "late");
  hangs = false;
  clock.runUntil(clock.now + 10_000);
  t.deepEqual(ask(1, 60), ["keys", 1]);
  t.deepEqual(ask(2, 60), ["keys", 2]);
});

test("a connection that was lost while keys waited for their answer has no request wait", async (t) => {
  let hangs = true;
  const { clock, ask, reconnect } = await calmWorld(({ type }) => hangs && type === "ack");
  ask(1, 60);
  clock.runUntil(clock.now + 3_000);
  t.deepEqual(ask(1, 60), ["late", 0]);
  hangs = false;
  reconnect();
  t.deepEqual(ask(1, 60), ["keys", 1]);
  t.deepEqual(ask(1, 60), ["keys", 1]);
});
