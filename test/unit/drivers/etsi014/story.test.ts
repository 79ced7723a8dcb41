/** Lives of both ends from seeds; planted mistakes are found. */
import anyTest, { type TestFn } from "ava";
import { rounds } from "../../../campaign-scale.ts";
import { type Plant, plants } from "../../../sim/etsi014/plants.ts";
import { etsi014Story } from "../../../sim/etsi014/story.ts";
import { each } from "../../../whole-run.ts";

const test = anyTest as TestFn;

test("whatever happens to two ends, no key is doubled, and both have the same", async (t) => {
  t.timeout(600_000);
  let offered = 0;
  for (let seed = 1; seed <= rounds(400); seed++) {
    const { broken, marks } = await etsi014Story(seed);
    t.deepEqual(broken, [], `npm run sim:etsi014 -- --seed ${seed}`);
    offered += marks.get("offered") ?? 0;
  }
  t.true(offered > 1_000, "keys flow in these stories");
});

for (const plant of each(Object.keys(plants) as Plant[])) {
  test(`a planted mistake is found: ${plant}`, async (t) => {
    t.timeout(600_000);
    for (let seed = 1; seed <= 120; seed++) {
      const { broken } = await etsi014Story(seed, plant);
      if (broken.length > 0) return t.pass();
    }
    return t.fail("no seed of 120 finds it");
  });
}
