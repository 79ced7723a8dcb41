import test from "ava";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { World } from "../../../sim/km/story.ts";

/** Nothing fails, and applications ask faster than the disk answers. */
const busy = {
  name: "many requests, and nothing that fails",
  world: {
    faults: { kinds: [], meanMs: 1_000 },
    requestMs: 4,
    preOffers: 0.2,
    refusals: 0,
    differ: 0,
    lost: 0,
  },
} as const;

test("where nothing fails no key is refused, in whichever order the disk gives bytes for the hashes", async (t) => {
  let masters = 0;
  for (let seed = 1; seed <= rounds(40); seed++) {
    await settle();
    const { broken, counts } = new World(seed, 200, busy).run();
    t.deepEqual(broken, [], `seed ${seed}`);
    t.is(counts.refused ?? 0, 0, `seed ${seed}`);
    masters += counts.masters ?? 0;
  }
  t.true(masters > 0);
});
