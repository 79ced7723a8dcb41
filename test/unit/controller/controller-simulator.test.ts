import test from "ava";
import { rounds } from "../../campaign-scale.ts";
import { settle } from "../../clock.ts";
import { testWhole } from "../../needs.ts";
import { controllerStory, plants } from "../../sim/controller/drawn.ts";

test.serial(
  "in every life of a network routes hold, and at its end every pair has its share",
  async (t) => {
    for (let seed = 1; seed <= rounds(80); seed++) {
      await settle();
      t.deepEqual(controllerStory(seed).broken, [], `life ${seed}`);
    }
  },
);

testWhole.serial("so it is with 100 key managers", async (t) => {
  await settle();
  t.deepEqual(controllerStory(3, { kms: 100, ms: 20_000 }).broken, []);
});

// Shares of half a minute ago were too low there, by links that had each become a little better since.
test.serial("shares do not become old", async (t) => {
  for (const seed of [101_777, 102_805]) {
    await settle();
    t.deepEqual(controllerStory(seed).broken, [], `life ${seed}`);
  }
});

test.serial("a life is the same each time it is told", (t) => {
  t.deepEqual(controllerStory(7), controllerStory(7));
});

for (const plant of plants) {
  test.serial(`the simulator finds: ${plant.name}`, async (t) => {
    let seed = 1;
    while (seed <= 60 && controllerStory(seed, { plant }).broken.length === 0) {
      seed++;
      await settle();
    }
    t.true(seed <= 60);
  });
}
