/** What the other KM's keys are bound for finds them, whatever became of others: a relay that is void is looked up so. */
import test from "ava";
import { RelayWay } from "../../../../src/km/io/relay-way.ts";
import { useOfRelay } from "../../../../src/km/relay/ports.ts";
import { LinkBooks } from "../../../../src/km/store/books.ts";
import { idsOf } from "../../../../src/km/store/key-run.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { drawKsaId } from "../../../../src/km/supply/ksa-id.ts";
import { settle } from "../../../clock.ts";
import { random } from "../../../random.ts";
import { World } from "../../../sim/km/story.ts";

test("keys are found by their request as by a look at all of them", (t) => {
  const next = random(7);
  const below = (most: number) => Math.floor(next() * most);
  const draw = (length: number) => Buffer.from(Array.from({ length }, () => below(256)));
  const rows = new Map<string, Buffer | undefined>();
  let books = new LinkBooks("x", 0, []);
  const looked = (request: string) =>
    [...books.uses.values()].filter((use) => !use.owner && use.request === request);
  let found = 0;
  for (let round = 0; round < 2_000; round++) {
    const all = [...books.uses.values()];
    const one = all[below(all.length)];
    const what = next();
    if (what < 0.3) {
      const count = 1 + below(3);
      const request = count === 1 && next() < 0.3 ? undefined : `for ${below(5)}`;
      const use: Use = {
        ...{ id: drawKsaId(draw), count, offer: draw(24).toString("hex"), owner: next() < 0.2 },
        ...{ ranges: [{ extent: 1, start: 0, end: 8 * count }], state: "B", fate: undefined },
        ...{ had: 0, request, assigned: false, number: 0, pickUp: 1 },
      };
      if (use.owner) use.state = "S";
      books.addUses([use]);
    } else if (what < 0.5 && one !== undefined) books.part(one);
    else if (what < 0.7 && one?.count === 1 && one.request === undefined) {
      books.assign(one, `for ${below(5)}`);
    } else if (what < 0.9 && one?.count === 1) books.dropUse(one);
    for (const { kind, key, value } of books.rows().rows) rows.set(`${kind} ${key}`, value);
    if (round % 500 === 499) {
      // As a restart reads them.
      const kept = [...rows].flatMap(([name, value]) => {
        const [kind = "", key = ""] = name.split(" ");
        return kind === "use" ? [{ kind: "use" as const, link: "x", key, value }] : [];
      });
      books = new LinkBooks("x", 0, kept);
    }
    for (let i = 0; i < 5; i++) {
      const its = looked(`for ${i}`);
      found += its.length;
      const indexed = books.boundFor(`for ${i}`);
      t.is(indexed.length, its.length);
      t.true(its.every((use) => indexed.includes(use)));
    }
  }
  t.true(found > 0);
});

test("a void relay ends its pad without a look at all keys on their way", async (t) => {
  await settle();
  const world = new World(11, 300, {
    name: "none",
    world: {
      ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
      ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0 },
    },
    meddle: (message) => [message],
  });
  t.deepEqual(world.run().broken, []);
  const { a, b, clock } = world;
  const relays = [1, 2].map((n) => Buffer.alloc(16, n));
  for (const use of [...relays.map(useOfRelay), "app-a app-b"]) {
    const request = { use, keys: 1, length: 8, pickUp: 60, deadline: clock.now + 5_000 };
    a.link.owner.request(request, () => {});
  }
  clock.runUntil(clock.now + 1_000);
  const { books } = b.link;
  const { uses } = books;
  t.is(uses.size, 3);
  const link = { name: "x", peer: "a", core: b.link, stored: () => {} };
  const way = new RelayWay(link, b.store as never, () => clock.now);
  const values = uses.values.bind(uses);
  let looks = 0;
  (uses as { values: typeof uses.values }).values = () => {
    looks++;
    return values();
  };
  way.release(relays[0] as Buffer);
  t.is(looks, 0);
  const states = [...values()].map(({ state, request }) => `${request} ${state}`);
  t.deepEqual(states.sort(), [
    "app-a app-b B",
    ...[`${useOfRelay(relays[0] as Buffer)} X`, `${useOfRelay(relays[1] as Buffer)} B`],
  ]);
  t.is(idsOf(books.boundFor(useOfRelay(relays[1] as Buffer))).length, 1);
});
