import test from "ava";
import { kmDrops } from "../../campaign/km-drops.ts";
import { rounds } from "../../campaign-scale.ts";

test("a KM that stores a key and drops the connection before its answer has each key once", async (t) => {
  const alive = setInterval(() => {}, 60_000);
  // A short run of what `npm run soak` does ten thousand times.
  const { drops, keys, repeats, lost, conflicts, held } = await kmDrops(rounds(400));
  clearInterval(alive);
  t.deepEqual({ lost, conflicts, held }, { lost: 0, conflicts: 0, held: 0 });
  t.true(keys >= drops && repeats >= drops / 2, `${keys} keys, ${repeats} repeats`);
});
