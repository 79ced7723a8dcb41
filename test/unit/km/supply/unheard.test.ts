/** A key is given to an application that is there to have it: what would be given to no one is there for the next question. */
import test from "ava";
import type { Use } from "../../../../src/km/store/shapes.ts";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { settle } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0, limits: { lowWater: 0 } },
};
const use = "app-a app-b";

/** Two key managers at rest. Application a asks its own for a key, application b fetches one; messages may be lost. */
async function open(isLost: (message: KxMessage) => boolean) {
  await settle();
  const meddle = (message: KxMessage) => (isLost(message) ? [] : [message]);
  const world = new World(21, 300, { name: "none", world: calm, meddle });
  world.run();
  const { a, b, clock, network } = world;
  network.allow(true);
  const after = (ms: number) => clock.runUntil(clock.now + ms);
  const ask = (isWanted: () => boolean) => {
    const results: (Use[] | string)[] = [];
    const wanted = { use, keys: 1, length: 8, pickUp: 60, deadline: clock.now + 5_000, isWanted };
    a.link.owner.request(wanted, (result) => results.push(result));
    return results;
  };
  const fetch = (id: string, isWanted: () => boolean) => {
    const results: (readonly Use[] | string)[] = [];
    const tell = (result: readonly Use[] | string) => void results.push(result);
    b.link.peer.take(use, [id], clock.now + 60_000, tell, 0, isWanted);
    return results;
  };
  return { a, b, network, after, ask, fetch };
}

test("who asked for a key and went away is given none, and holds none at either end", async (t) => {
  const { a, b, after, ask } = await open(() => false);
  const free = () => [a, b].map(({ link }) => link.books.stock.free(a.link.books.side));
  const before = free();
  t.deepEqual(
    ask(() => false),
    ["late"],
  );
  after(1_000);
  t.deepEqual(free(), before, "nothing was offered");
  let isThere = true;
  const results = ask(() => isThere);
  isThere = false;
  after(1_000);
  t.deepEqual(results, ["late"]);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0, "nor is one kept for it");
});

test("who went away before its key came asks again, and has it", async (t) => {
  let isLost = true;
  const lost = (message: KxMessage) => message.type === "taken" && isLost;
  const { a, b, after, ask, fetch } = await open(lost);
  ask(() => true);
  after(1_000);
  const [use] = [...b.link.books.uses.values()];
  const id = use?.id as string;
  let isThere = true;
  const first = fetch(id, () => isThere);
  after(1_000);
  t.deepEqual(first, []);
  isThere = false;
  // The first question has no answer any more: it does not stand in the way of the second.
  const second = fetch(id, () => true);
  isLost = false;
  after(1_000);
  t.deepEqual(first, ["late"]);
  t.deepEqual(
    second.map((result) => typeof result !== "string" && result[0]?.id),
    [id],
  );
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("a key that comes for one that went away is kept for its next question", async (t) => {
  const { after, b, ask, fetch } = await open(() => false);
  ask(() => true);
  after(1_000);
  const id = [...b.link.books.uses.values()][0]?.id as string;
  t.deepEqual(
    fetch(id, () => false),
    ["late"],
  );
  let isThere = true;
  const first = fetch(id, () => isThere);
  isThere = false;
  after(1_000);
  t.deepEqual(first, ["late"]);
  const second = fetch(id, () => true);
  after(1_000);
  t.deepEqual(
    second.map((result) => typeof result !== "string" && result[0]?.id),
    [id],
  );
  t.deepEqual(
    fetch(id, () => true),
    ["unknown"],
  );
});
