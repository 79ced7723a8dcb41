import test from "ava";
import { rounds } from "../../../campaign-scale.ts";
import { type Plant, plants } from "../../../sim/custody-draw.ts";
import { custodyStory } from "../../../sim/custody-story.ts";

/** Seeds of the whole suite; `npm run sim -- --seed N` repeats one, `npm run soak -- --only story` has more. */
const seeds = rounds(400);
/** A planted mistake is found within so many seeds. */
const within = rounds(2_000);

test("whatever is changed, exchanged, repaired or lost, a key is with one KM under one ID", async (t) => {
  const met = new Set<string>();
  for (let seed = 1; seed <= seeds; seed++) {
    const { broken, marks } = await custodyStory(seed);
    t.deepEqual(broken.slice(0, 3), [], `npm run sim -- --seed ${seed} --log`);
    for (const mark of marks.keys()) met.add(mark);
  }
  const wanted = ["success", "sent", "torn", "power", "orderly", "repaired", "sync failed"];
  const told = ["key_waits_for_km", "pair_changed", "module_changed", "block_replayed", "freed"];
  for (const mark of [...wanted, ...told, "accepted", "reinstate", "discard"]) {
    t.true(met.has(mark), `"${mark}" never happened: the story is too tame`);
  }
});

test("the same seed tells the same story", async (t) => {
  t.deepEqual(await custodyStory(77), await custodyStory(77));
});

for (const plant of Object.keys(plants) as Plant[]) {
  test(`the story finds a planted mistake: ${plant}`, async (t) => {
    for (let seed = 1; seed <= within; seed++) {
      const { broken } = await custodyStory(seed, plant);
      if (broken.length === 0) continue;
      t.log(`seed ${seed}: ${broken[0]}`);
      return t.pass();
    }
    t.fail(`not found within ${within} seeds`);
  });
}
