import test from "ava";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { busy } from "../../../sim/km/busy.ts";
import { World } from "../../../sim/km/story.ts";

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
