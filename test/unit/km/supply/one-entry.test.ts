/** Keys of one request are one entry at both ends until one of them is asked for, whatever comes between. */
import test from "ava";
import type { LinkEvent } from "../../../../src/km/peer/events.ts";
import { countOf, idsOf } from "../../../../src/km/store/key-run.ts";
import { bytesOf } from "../../../../src/km/store/ranges.ts";
import type { Use } from "../../../../src/km/store/shapes.ts";
import { readGranted } from "../../../../src/km/supply/granted.ts";
import type { Range } from "../../../../src/wire/kx/messages.ts";
import { settle } from "../../../clock.ts";
import type { Meddle } from "../../../sim/km/network.ts";
import type { SimKm } from "../../../sim/km/sim-km.ts";
import { World } from "../../../sim/km/story.ts";

/** Keys are matched; nothing fails, and no application has asked for any yet. */
const calm = {
  ...{ faults: { kinds: [], meanMs: 1_000 }, requestMs: 100_000_000, differ: 0, lost: 0 },
  ...{ delay: 2, refusals: 0, pickUp: 60, preOffers: 0 },
};
const use = "app-a app-b";

function open(seed: number, meddle: Meddle = (message) => [message]) {
  const world = new World(seed, 300, { name: "none", world: calm, meddle });
  const { broken } = world.run();
  const { clock } = world;
  return {
    world,
    broken,
    after: (ms: number) => clock.runUntil(clock.now + ms),
    /** Entries of keys on their way, as many keys as each has. */
    entries: ({ link }: SimKm) => Array.from(link.books.uses.values(), ({ count }) => count),
  };
}

function asked({ link }: SimKm, keys: number, now: number, withinMs = 5_000) {
  const answer: { result: Use[] | string } = { result: "none" };
  const request = { use, keys, length: 8, pickUp: 60, deadline: now + withinMs };
  link.owner.request(request, (result) => {
    answer.result = result;
  });
  return answer;
}

test("they are over a cut connection and a crash of either end, and part when the first is fetched", async (t) => {
  await settle();
  const { world, broken, after, entries } = open(11);
  t.deepEqual(broken, []);
  const { a, b, network, clock } = world;
  const answer = asked(a, 40, clock.now);
  after(1_000);
  const { result } = answer;
  if (typeof result === "string") return t.fail(result);
  t.is(countOf(result), 40);
  const ids = idsOf(result);
  const both = () => [entries(a), entries(b)];
  t.deepEqual(both(), [[40], [40]]);
  network.cut();
  after(10_000);
  t.is(a.link.phase, "ready");
  t.deepEqual(both(), [[40], [40]]);
  for (const km of [b, a]) {
    network.cut();
    km.die();
    km.start();
    after(10_000);
    t.is(a.link.phase, "ready");
    t.deepEqual(both(), [[40], [40]]);
  }
  const fetch = (some: readonly string[]) => {
    let taken: readonly Use[] | string = "none";
    b.link.peer.take(use, some, clock.now + 1_500, (keys) => {
      taken = keys;
    });
    after(1_000);
    return typeof taken === "string" ? taken : idsOf(taken);
  };
  t.deepEqual(fetch(ids.slice(7, 8)), ids.slice(7, 8));
  t.deepEqual(both(), [Array(39).fill(1), Array(39).fill(1)]);
  t.is(fetch(ids.slice(7, 8)), "unknown");
  t.deepEqual(fetch(ids.slice(0, 7)), ids.slice(0, 7));
  t.deepEqual(fetch(ids.slice(8)), ids.slice(8));
  t.deepEqual(both(), [[], []]);
  t.is(a.link.books.underWay.bound + b.link.books.underWay.bound, 0);
});

test("where an offer was lost on its way, and parted, the bytes are forgotten all the same once they are read", async (t) => {
  await settle();
  const { world, after } = open(13);
  const { a, network, clock } = world;
  const answer = asked(a, 9, clock.now, 20_000);
  after(1);
  network.cut();
  after(9_000);
  const { result } = answer;
  if (typeof result === "string") return t.fail(result);
  const forgotten: Range[] = [];
  const store = {
    read: (_: string, ranges: readonly Range[], done: (bytes: Buffer) => void) =>
      done(Buffer.alloc(bytesOf(ranges))),
    forget: (_: string, ranges: readonly Range[]) => void forgotten.push(...ranges),
  };
  readGranted(store as never, { link: "ab", uses: result }, () => {});
  t.is(bytesOf(forgotten), 9 * 8);
});

test("a name of an offer is that of one offer, and never that of none", async (t) => {
  for (const name of [Buffer.alloc(24), Buffer.alloc(24, 7)]) {
    await settle();
    let isOn = false;
    const { world, after, entries } = open(14, (message) => {
      return [isOn && message.type === "offer" ? { ...message, offer: name } : message];
    });
    const { a, b, clock } = world;
    isOn = true;
    const answers = [asked(a, 4, clock.now), asked(a, 4, clock.now)];
    after(8_000);
    t.deepEqual(
      answers.map(({ result }) => result),
      ["late", "late"],
    );
    // The first of the second name is bound, until its owner takes it back.
    isOn = false;
    world.network.cut();
    after(80_000);
    t.deepEqual([entries(a), entries(b)], [[], []]);
  }
});

test("a fate that contradicts what is written down is told, and changes nothing", async (t) => {
  await settle();
  const { world, after, entries } = open(17);
  const { a, clock } = world;
  const answer = asked(a, 2, clock.now);
  after(500);
  const { result } = answer;
  if (typeof result === "string") return t.fail(result);
  const [first] = result as [Use];
  const named = { id: Buffer.from(first.id, "hex"), offer: Buffer.from(first.offer, "hex") };
  const odd: LinkEvent[] = [];
  a.onTold = (event) => event.type === "odd" && odd.push(event);
  a.link.heard({ type: "take", ...named, slave: 0 });
  const number = a.link.books.state.heard.number + 1;
  a.link.heard({ type: "fate", ...named, number, fate: "X", length: 8 });
  t.deepEqual(odd, [{ type: "odd", message: "fate of a key that has another" }]);
  t.deepEqual(entries(a), [1]);
});

test("books whose regions leave something out end the session, and the next one goes on", async (t) => {
  await settle();
  let isOn = false;
  const { world, after } = open(18, (message) => {
    if (!isOn || message.type !== "syncExtents") return [message];
    isOn = false;
    const extents = message.extents.map((one) => ({ ...one, regions: one.regions.slice(1) }));
    return [{ ...message, extents }];
  });
  const { a, b, network } = world;
  t.true(a.link.books.stock.extents.size > 0);
  isOn = true;
  network.cut();
  after(20_000);
  t.false(isOn);
  t.deepEqual([a.link.phase, b.link.phase], ["ready", "ready"]);
});

test("what is not fetched in time expires, each key of its entry that is left", async (t) => {
  await settle();
  const { world, after, entries } = open(12);
  const { a, b, clock } = world;
  const answer = asked(a, 12, clock.now);
  after(1_000);
  const { result } = answer;
  if (typeof result === "string") return t.fail(result);
  const [first = "", ...others] = idsOf(result);
  b.link.peer.take(use, [first], clock.now + 1_500, () => {});
  after(1_000);
  after(50_000);
  t.deepEqual(entries(b), Array(11).fill(1));
  after(20_000);
  t.deepEqual([entries(a), entries(b)], [[], []]);
  let late: unknown;
  b.link.peer.take(use, others.slice(0, 1), clock.now + 1_500, (keys) => {
    late = keys;
  });
  after(1_000);
  t.is(late, "unknown");
});

test("an offer whose answer is lost is void as a whole, and told key by key", async (t) => {
  await settle();
  const { world, after, entries } = open(13);
  const { a, b, network, clock } = world;
  const answer = asked(a, 9, clock.now);
  // It is on its way.
  after(1);
  network.allow(false);
  network.cut();
  after(10_000);
  t.is(answer.result, "late");
  network.allow(true);
  after(10_000);
  t.is(a.link.phase, "ready");
  t.deepEqual([entries(a), entries(b)], [[], []]);
  t.is(a.link.books.stock.free(0), b.link.books.stock.free(0));
  t.is(a.link.books.stock.free(1), b.link.books.stock.free(1));
});
