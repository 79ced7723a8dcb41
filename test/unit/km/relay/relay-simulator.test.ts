import test from "ava";
import { isRelayUse } from "../../../../src/km/relay/ports.ts";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { testWhole } from "../../../needs.ts";
import { drawFaults, drawShape, netStory } from "../../../sim/relay/drawn.ts";
import type { NetKm } from "../../../sim/relay/net-km.ts";
import { plants, withOther } from "../../../sim/relay/plants.ts";
import { type Edge, nsfnet } from "../../../sim/relay/shape.ts";
import {
  type NetFaults,
  type NetPlant,
  type NetShape,
  NetWorld,
} from "../../../sim/relay/story.ts";
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

test.serial(
  "a KM between whose disk is put back, wherever in a relay, lends no pad twice",
  async (t) => {
    let restores = 0;
    let done = 0;
    for (let step = 0; step < rounds(150); step += isShort ? 3 : 1) {
      await settle();
      const world = new NetWorld(1, row, calm);
      const b = world.kms.get("b") as NetKm;
      world.clock.after(400 + step * 0.7, () => {
        for (const disk of b.disks) disk.copy();
      });
      // Some relays later: what the copy holds as free was lent, and what it holds as lent was used.
      world.clock.after(420 + step * 1.4, () =>
        world.crash(b, () => {
          for (const disk of b.disks) if (disk.restore()) restores++;
        }),
      );
      const { broken, counts } = world.run(2_000, 90_000);
      t.deepEqual(broken, [], `step ${step}`);
      done += counts["source done"] ?? 0;
    }
    t.true(restores > 0 && done > 0);
  },
);

for (const who of ["b", "d"] as const) {
  test.serial(
    `a disk that is full at ${who} leaves no book open, and no key at one end`,
    async (t) => {
      await settle();
      const world = new NetWorld(1, row, calm);
      const at: (readonly [done: number, full: number])[] = [];
      const look = () =>
        at.push([world.counts["source done"] ?? 0, world.counts["source full"] ?? 0]);
      world.clock.after(500, () => {
        world.full.add(who);
        look();
      });
      world.clock.after(2_500, () => {
        look();
        world.full.delete(who);
      });
      world.clock.after(7_900, look);
      t.deepEqual(world.run(8_000, 90_000).broken, []);
      const [before, while_, after] = at as [(typeof at)[0], (typeof at)[0], (typeof at)[0]];
      // A KM between keeps nothing of what it passes on: its books have room that is set aside for them.
      t.is(while_[1] > 0, who === "d");
      if (who === "b") t.true(while_[0] > before[0]);
      t.true(after[0] > while_[0], "it goes on when there is room");
    },
  );
}

test.serial("what came under AES is no pad of another relay", async (t) => {
  await settle();
  const nested: NetShape = {
    ...row,
    pairs: [
      { ends: ["a", "c"], scheme: "case-2", aes: true },
      // Its first hop is over what was relayed to c.
      { ends: ["a", "d"], scheme: "case-2", routes: [["c"]] },
    ],
  };
  const stories = [true, false].map((isShortOfPads) => {
    const world = new NetWorld(1, nested, calm, {
      name: "pads of a and b are short",
      way: (way, km) =>
        !isShortOfPads || km.id !== "a" || way.peer !== "b"
          ? way
          : withOther(way, {
              // Long enough for a key of AES and a tag.
              lend: (length, use, deadline, done) =>
                length > 64 ? done("stock") : way.lend(length, use, deadline, done),
            }),
    });
    const { broken, counts } = world.run(4_000, 60_000);
    t.deepEqual(broken, []);
    const matched = world.kms.get("d")?.link("a")?.core.books.state.matched ?? 0;
    return { aes: counts["source aes"] ?? 0, matched };
  });
  const [short, usual] = stories;
  t.true((short?.aes ?? 0) > 0);
  t.is(short?.matched, 0);
  // Where they are not, that way is as good as any.
  t.true((usual?.matched ?? 0) > 0);
});

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

/** What b sends on is another key, with the right tag. */
const liar: NetPlant = {
  name: "a liar",
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
};

test.serial("where a KM between lies, keys come by another route", async (t) => {
  const square: NetShape = {
    ...row,
    fibres: [
      ["a", "b"],
      ["b", "d"],
      ["a", "c"],
      ["c", "d"],
    ],
    pairs: [{ ends: ["a", "d"], scheme: "case-2", routes: [["b"], ["c"]] }],
  };
  for (const seed of each([1, 2, 3, 4])) {
    await settle();
    const world = new NetWorld(seed, square, calm, liar);
    const told = new Set<string>();
    const pair = world.kms.get("a")?.pairs.get("d");
    let found: number | undefined;
    let later = 0;
    for (let ms = 100; ms < 5_900; ms += 100) {
      world.clock.after(ms, () => {
        const { failure, at, route = [] } = pair?.lastFailure ?? {};
        told.add([failure, at, ...route].join(" "));
        if (found === undefined && told.has("differs d b")) found = ms;
        // What was on its way when it was found out has been compared a second later.
        if (found === undefined || ms <= found + 1_000) later = world.counts.differs ?? 0;
      });
    }
    world.clock.after(5_900, () => {
      t.true(told.has("differs d b"), [...told].join(", "));
      t.deepEqual(pair?.ways.list(world.clock.now)[0], ["c"]);
      later = (world.counts.differs ?? 0) - later;
    });
    const { broken, counts } = world.run(6_000, 60_000);
    t.deepEqual(broken, []);
    // Pads of the other way run out: the liar is tried then, after waits that double from 0.25 s. Both ends count a key.
    t.true(later <= 2 * 5, `life ${seed}: ${later} keys differ later`);
    t.true((counts.masters ?? 0) > 0, "applications have keys");
  }
});

test.serial("a KM between that lies is found before any application has the key", async (t) => {
  let differs = 0;
  for (let seed = 1; seed <= rounds(10); seed++) {
    await settle();
    const world = new NetWorld(seed, row, calm, liar);
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

/** Pads of relays that wait, at the ends that did not lend them. */
function waitingPads({ kms }: NetWorld): readonly string[] {
  return [...kms.values()].flatMap((km) =>
    [...km.links].flatMap(({ name, core }) =>
      [...core.books.uses.values()]
        .filter(({ owner, state, request }) => !owner && state === "B" && isRelayUse(request))
        .map(({ id }) => `${km.id} ${name} ${id}`),
    ),
  );
}

/** @returns those that wait after 6 s, and after 9 s still */
function stayingPads(world: NetWorld): readonly string[] {
  let before: readonly string[] = [];
  let left: readonly string[] = [];
  world.clock.after(6_000, () => {
    before = waitingPads(world);
  });
  world.clock.after(9_000, () => {
    left = waitingPads(world).filter((pad) => before.includes(pad));
  });
  const { broken } = world.run(10_000, 90_000);
  return [...broken, ...left];
}

test.serial("what was lent for a relay that a crash ended is not waited for", async (t) => {
  for (const seed of each([1, 2, 3])) {
    await settle();
    const world = new NetWorld(seed, row, calm);
    for (let ms = 600; ms < 2_600; ms += 137) {
      world.clock.after(ms, () => world.crash(world.kms.get("b") as never));
    }
    t.deepEqual(stayingPads(world), [], `life ${seed}`);
  }
});

for (const who of ["c", "d"]) {
  test.serial(`what was lent for a relay that ${who} refuses is not waited for`, async (t) => {
    await settle();
    const world = new NetWorld(1, row, calm, {
      name: "refuses",
      world: (world, { id }) =>
        id === who ? { ...world, mayPass: () => false, mayKeep: () => false } : world,
    });
    t.deepEqual(stayingPads(world), []);
    t.true((world.counts["source policy"] ?? 0) > 0);
  });
}

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
