/** An order to give up keys of a time leaves none of them to applications, also not those that are prepared. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { createLog } from "../../../../src/base/log.ts";
import type { KmTable, LinkConfig } from "../../../../src/km/config/tables.ts";
import type { AskedPeriod } from "../../../../src/km/keys/origin.ts";
import { KmRecords } from "../../../../src/km/wiring/records.ts";
import { ManualClock, stepUntil } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, preOffers: 0, limits: { lowWater: 0 } },
};

/** How much simulated time passes while the disk is written depends on the machine: nothing expires meanwhile. */
const longS = 1_000_000;

/** Two key managers with stock, and the records of one. */
async function open(t: ExecutionContext) {
  const folder = await mkdtemp(join(tmpdir(), "qkd-give-up-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const link = { name: "ab", peer: "b" } as LinkConfig;
  const time = new ManualClock();
  const records = await KmRecords.open(
    {
      km: { id: "a", state_dir: folder } as KmTable,
      ...{ records: { limit_mb: 16, export: false }, modules: [], links: [link] },
    },
    time,
    createLog(() => {}, "error"),
  );
  t.teardown(() => stepUntil(records.close(), () => time.advance(100)));
  const world = new World(21, 60, { name: "none", world: calm });
  t.deepEqual(world.run().broken, []);
  const { a, b, clock, network } = world;
  network.allow(true);
  records.attach(link, a.link);
  const after = (ms: number) => clock.runUntil(clock.now + ms);
  return {
    ...{ a, b, network, after },
    /** All of its stock is keys for applications to come. */
    prepare: ({ link: { owner, books } }: typeof a) => {
      while (books.stock.free(books.side) >= 8) owner.preOffer(1, 8, longS, 1_000 * longS);
    },
    records,
    giveUp: (period: AskedPeriod = { from: 0, to: 1e15 }) =>
      stepUntil(records.giveUp("ab", period, "test"), () => {
        after(1);
        return time.advance(10);
      }),
  };
}

test("extents all of whose bytes are prepared for applications to come are given up, too", async (t) => {
  const { a, b, after, prepare, giveUp } = await open(t);
  prepare(a);
  prepare(b);
  after(1_000);
  const { length } = [...a.link.books.uses.values()];
  t.true(length > 20);
  const done = await giveUp();
  t.like(done, { left_keys: 0, link_up: true });
  t.true((done?.void_bits ?? 0) >= length * 64);
  after(10_000);
  for (const { books } of [a.link, b.link]) {
    t.is(books.uses.size, 0);
    t.is(books.stock.extents.size, 0);
  }
  t.is((await giveUp())?.void_bits, 0);
});

test("what is just being prepared is left where the link is down, and the order says so", async (t) => {
  const { a, b, network, after, prepare, giveUp } = await open(t);
  prepare(a);
  network.allow(false);
  const done = await giveUp();
  t.like(done, { link_up: false });
  t.true((done?.left_keys ?? 0) > 10, `${done?.left_keys}`);
  network.allow(true);
  after(10_000);
  t.like(await giveUp(), { left_keys: 0, link_up: true });
  after(10_000);
  t.is(a.link.books.uses.size + b.link.books.uses.size, 0);
});

test("an order without an end ends all relays of the pair that are under way when it is given, and none later", async (t) => {
  const { records, giveUp } = await open(t);
  const orders: unknown[] = [];
  let storing = 2;
  records.attachRelays({
    giveUpTo: (far, _to, isNow) => {
      orders.push([far, isNow]);
      return { ended: 0, storing: Math.max(0, --storing) };
    },
    giveUpNamed: () => ({ ended: 0, storing: 0 }),
    underWay: 0,
  });
  await giveUp({ from: 0 });
  t.deepEqual(orders, [
    ["b", true],
    ["b", false],
  ]);
  orders.length = 0;
  await giveUp();
  t.deepEqual(orders, [["b", false]]);
});
