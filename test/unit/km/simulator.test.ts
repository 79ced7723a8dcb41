import test from "ava";
import { rounds } from "../../campaign-scale.ts";
import { settle } from "../../clock.ts";
import { lastKeys } from "../../sim/km/last-keys.ts";
import { orderly, plants } from "../../sim/km/plants.ts";
import { kmStory } from "../../sim/km/story.ts";
import { isShort } from "../../whole-run.ts";

/** Lives that one test tells. Between lives the run hears that tests go on. */
const livesOfTest = 25;

for (let first = 1; first <= rounds(100); first += livesOfTest) {
  test.serial(
    `in every life of two key managers S1 to S4 hold, and both books agree at its end: from life ${first}`,
    async (t) => {
      for (let seed = first; seed < first + Math.min(livesOfTest, rounds(100)); seed++) {
        await settle();
        const { broken } = kmStory(seed, 400);
        t.deepEqual(broken, [], `npm run soak -- --only km-lives --scale 0.0001 --seed ${seed}`);
      }
    },
  );
}

test.serial(
  "a slave that has its key has it still where the other end's disk is put back to before it was assigned",
  (t) => {
    t.deepEqual(kmStory(424_283, 400).broken, []);
  },
);

test.serial("a key that was forgotten while a take waited for it has no second fate", (t) => {
  t.deepEqual(kmStory(910_163, 400).broken, []);
});

test.serial("free bytes before an offer that is made again are not lost with it", (t) => {
  t.deepEqual(kmStory(3_606, 600, { name: "none" }).broken, []);
});

test("batches under one-time keys go on while the other end has no room for more keys", (t) => {
  t.deepEqual(kmStory(35, 400).broken, []);
});

test.serial("key managers that stop in order lose no key that they do not tell of", async (t) => {
  // In life 42 half of an extent is given before the other end has it.
  for (const seed of [41, 42, 43]) {
    await settle();
    const { broken, counts } = kmStory(seed, 300, { name: "none", world: orderly });
    t.deepEqual(broken, []);
    t.true((counts.stops ?? 0) > 5);
  }
});

test.serial("a life is the same each time it is told", (t) => {
  t.deepEqual(kmStory(7, 300), kmStory(7, 300));
});

/** So many lives are looked through for a planted mistake at most. */
const lives = 80;
/** A short run has some of those that the first life shows. */
const once = plants.filter((_, i) =>
  isShort ? i % 10 === 4 : rounds(plants.length) === plants.length || i % 5 === 0,
);

for (const plant of once) {
  test.serial(`the simulator finds: ${plant.name}`, async (t) => {
    let seed = 1;
    while (seed <= lives && kmStory(seed, 300, plant).broken.length === 0) {
      await settle();
      seed++;
    }
    t.true(seed <= lives, `not found in ${lives} lives`);
    t.log(`found in life ${seed}`);
  });
}

test.serial(
  "stock whose bytes are gone from one disk is void at both ends, and the rest goes on",
  (t) => {
    const { broken, counts } = kmStory(12, 400, {
      name: "a volume is lost",
      world: { faults: { kinds: ["crash"], meanMs: 500 } },
      // The disk of one end loses what it had of every seventh extent.
      lose: (number) => number % 7 === 0,
    });
    t.deepEqual(broken, []);
    t.true((counts.lost ?? 0) > 0);
  },
);

test.serial(
  "both ends ask for the last key: no life hangs, and no byte of it is had twice or by nobody",
  async (t) => {
    for (let seed = 1; seed <= rounds(100); seed++) {
      await settle();
      const { broken, left } = lastKeys(seed);
      t.deepEqual(broken, [], `seed ${seed}`);
      // One unit that the other end owns is not worth a gift.
      t.true(left <= 2, `seed ${seed}: ${left} bytes were left`);
    }
  },
);

test.serial(
  "a leader whose proposal was under a pad believes no MATCH without the tag of it",
  (t) => {
    const stripped = new Set<number>();
    const believed: number[] = [];
    let seen = 0;
    kmStory(6, 300, {
      name: "MATCH comes without its tag, or under another",
      oneTime: true,
      meddle: (message) => {
        // Once more, perhaps in a session of version 1.
        if (message.type === "propose") stripped.delete(message.number);
        if (message.type === "commit" && stripped.has(message.number))
          believed.push(message.number);
        if (message.type !== "matchMac") return [message];
        seen++;
        const { number, digest, tag } = message;
        stripped.add(number);
        if (number % 2 === 0) return [{ type: "match", number, digest }];
        return [{ ...message, tag: Buffer.from(tag.map((byte) => byte ^ 1)) }];
      },
    });
    t.true(seen > 10);
    t.deepEqual(believed, []);
  },
);
