import test from "ava";
import { rounds } from "../campaign-scale.ts";
import { killNodes } from "../faults/kills.ts";

const seed = 20_261_121;

test.serial("nodes that are killed again and again lose no key and double none", async (t) => {
  t.timeout(1_200_000);
  const { kills, keys, slowest, broken } = await killNodes(rounds(200), seed);
  t.log(
    `${kills} kills, ${keys} keys, ready after ${Math.round(slowest)} ms at most, seed ${seed}`,
  );
  t.deepEqual(broken.slice(0, 10), []);
  t.true(keys > 0);
});
