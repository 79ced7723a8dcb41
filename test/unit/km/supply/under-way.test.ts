/** A key manager refuses what would fill its memory, and nothing else goes wrong by that. */
import test from "ava";
import { rounds } from "../../../campaign-scale.ts";
import { settle } from "../../../clock.ts";
import { busy } from "../../../sim/km/busy.ts";
import { World } from "../../../sim/km/story.ts";

const narrow = { ...busy, world: { ...busy.world, limits: { underWay: 20 } } };

test("keys of the other KM are refused while too many are on their way, and go on when some have ended", async (t) => {
  let [refused, masters] = [0, 0];
  for (let seed = 1; seed <= rounds(20); seed++) {
    await settle();
    const { broken, counts } = new World(seed, 200, narrow).run();
    t.deepEqual(broken, [], `seed ${seed}`);
    refused += counts.refused ?? 0;
    masters += counts.masters ?? 0;
  }
  t.true(refused > 0);
  t.true(masters > 0);
});
