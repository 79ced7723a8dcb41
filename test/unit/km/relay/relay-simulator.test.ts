import test from "ava";
import { isRelayUse } from "../../../../src/km/relay/ports.ts";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { testWhole } from "../../../needs.ts";
import { drawFaults, drawShape, netStory } from "../../../sim/relay/drawn.ts";
import { plants, withOther } from "../../../sim/relay/plants.ts";
import { type Edge, nsfnet } from "../../../sim/relay/shape.ts";
import { type NetFaults, type NetShape, NetWorld } from "../../../sim/relay/story.ts";
import { each, isShort } from "../../../whole-run.ts";

const calm: NetFaults = { meanMs: 0, kinds: [], lost: 0, doubled: 0, late: 0, changed: 0 };
/** Lives that one test tells. Between lives the run hears that tests go on. */
const livesOfTest = 20;

const lives = isShort ? 3 : rounds(100);

for (let first = 1; first <= lives; first += livesOfTest) {
  test.serial(
    `in every life of a network S1 to S4 hold over all pads, and all books agree at its end: from life ${first}`,
    async (t) => {
      for (let seed = first; seed < first + Math.min(livesOfTest, lives); seed++) {
        await settle();
        t.deepEqual(netStory(seed).broken, [], `life ${seed}`);
      }
    },
  );
}

test.serial("a life is the same each time it is told", (t) => {
  t.deepEqual(netStory(5), netStory(5));
});

const row: NetShape = {
  kms: ["a", "b", "c", "d"],
  fibres: [
    ["a", "b"],
    ["b", "c"],
    ["c", "d"],
  ],
  pairs: [{ ends: ["a", "d"], scheme: "case-2" }],
};

for (const who of each(["b", "a", "c", "d"])) {
  test.serial(
    `wherever in a relay ${who} crashes, no pad is used twice and no book is left open`,
    async (t) => {
      let done = 0;
      // A short run takes every third moment of as long a while.
      for (let step = 0; step < rounds(300); step += isShort ? 3 : 1) {
        await settle();
        const world = new NetWorld(1, row, calm);
        // Relays are under way all of this time; each life stops at another moment.
        world.clock.after(400 + step * 0.7, () => world.crash(world.kms.get(who) as never));
        const { broken, counts } = world.run(1_500, 90_000);
        t.deepEqual(broken, [], `step ${step}`);
        done += counts["source done"] ?? 0;
      }
      t.true(done > 0);
    },
  );
}

/** Each is searched for in up to 60 lives. */
const searched = plants.filter((_, i) => !isShort || i % 8 === 0);

for (const plant of searched) {
  test.serial(`the simulator finds: ${plant.name}`, async (t) => {
    for (let seed = 1; seed <= 60; seed++) {
      const [found] = netStory(seed, plant).broken;
      if (found !== undefined) {
        t.log(`found in life ${seed}: ${found}`);
        return t.pass();
      }
      await settle();
    }
    t.fail("not found in 60 lives");
  });
}

test.serial("a KM between that lies is found before any application has the key", async (t) => {
  let differs = 0;
  for (let seed = 1; seed <= rounds(10); seed++) {
    await settle();
    const world = new NetWorld(seed, row, calm, {
      name: "a liar",
      // What it sends on is another key, with the right tag.
      way: (way, km) =>
        km.id !== "b"
          ? way
          : withOther(way, {
              lend: (length, use, deadline, done) =>
                way.lend(length, use, deadline, (pad) => {
                  if (typeof pad !== "string") pad.bytes[0] = (pad.bytes[0] as number) ^ 1;
                  done(pad);
                }),
            }),
    });
    const { broken, counts } = world.run(3_000, 60_000);
    t.deepEqual(broken, []);
    t.is(counts.masters, 0);
    differs += counts.differs ?? 0;
  }
  t.true(differs > 0);
});

test.serial(
  "a KM that tells its keys came by another scheme finds no match for them",
  async (t) => {
    await settle();
    const world = new NetWorld(1, row, calm, {
      name: "a liar",
      // It leads: its proposals would make AES of what came under pads, or the other way round.
      way: (way, km) =>
        km.id !== "a"
          ? way
          : withOther(way, { keep: (key, done) => way.keep({ ...key, scheme: "case-1" }, done) }),
    });
    const { broken, counts } = world.run(3_000, 60_000);
    // Its pool stays empty: keys come, wait for a match and expire until the end.
    const others = broken.filter((rule) => !/^L: \d+ keys of a-d wait$/.test(rule));
    t.deepEqual(others, []);
    t.true((counts["source done"] ?? 0) > 0);
    t.is(world.kms.get("d")?.link("a")?.core.books.state.matched, 0);
  },
);

test.serial("what was lent for a relay that a crash ended is not waited for", async (t) => {
  for (const seed of each([1, 2, 3])) {
    await settle();
    const world = new NetWorld(seed, row, calm);
    const pads = () =>
      [...world.kms.values()].flatMap((km) =>
        [...km.links].flatMap(({ name, core }) =>
          [...core.books.uses.values()]
            .filter(({ owner, state, request }) => !owner && state === "B" && isRelayUse(request))
            .map(({ id }) => `${km.id} ${name} ${id}`),
        ),
      );
    for (let ms = 600; ms < 2_600; ms += 137) {
      world.clock.after(ms, () => world.crash(world.kms.get("b") as never));
    }
    let before: readonly string[] = [];
    let left: readonly string[] = [];
    world.clock.after(6_000, () => {
      before = pads();
    });
    world.clock.after(9_000, () => {
      left = pads().filter((pad) => before.includes(pad));
    });
    const { broken } = world.run(10_000, 90_000);
    t.deepEqual(broken, []);
    t.deepEqual(left, [], `life ${seed}`);
  }
});

testWhole.serial("each two of 14 nodes in the shape of NSFNET get keys", async (t) => {
  const kms = [...new Set(nsfnet.flat())];
  const near = new Set(nsfnet.map((edge) => [...edge].sort().join(" ")));
  const pairs = kms.flatMap((a, i) =>
    kms.slice(i + 1).flatMap((b) => {
      const ends = [a, b].sort() as unknown as Edge;
      return near.has(ends.join(" ")) ? [] : [{ ends, scheme: "case-2" as const }];
    }),
  );
  t.is(pairs.length, 91 - 21);
  await settle();
  const world = new NetWorld(1, { kms, fibres: nsfnet, pairs }, calm);
  const { broken } = world.run(20_000, 60_000);
  t.deepEqual(broken, []);
  for (const { ends } of pairs) {
    const [a, b] = ends;
    const matched = world.kms.get(a)?.link(b)?.core.books.state.matched ?? 0;
    t.true(matched >= 64, `${a} and ${b}`);
  }
});

test("shapes and faults of lives are of all kinds", (t) => {
  const seeds = Array.from({ length: 100 }, (_, i) => i + 1);
  const schemes = new Set(
    seeds.flatMap((seed) => drawShape(seed).pairs.map(({ scheme }) => scheme)),
  );
  t.is(schemes.size, 4);
  t.true(seeds.some((seed) => drawShape(seed).kms.length === 20));
  t.true(seeds.some((seed) => drawFaults(seed).kinds.includes("restore")));
});
