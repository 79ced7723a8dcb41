import test from "ava";
import { framesThroughNoise } from "../../../campaign/frames.ts";
import { fuzz } from "../../../campaign/fuzz.ts";
import { blocksThroughNoise } from "../../../campaign/noisy-session.ts";
import { rounds } from "../../../campaign-scale.ts";

// Short seeds of what `npm run soak` does at length.

for (const bitErrors of [1e-6, 1e-5, 1e-4, 1e-3]) {
  test(`at a bit error rate of ${bitErrors} no frame is mistaken, and none lost but the damaged`, (t) => {
    const rates = { bitErrors, drops: 1e-5, inserts: 1e-5, duplicates: 1e-5 };
    const result = framesThroughNoise(rounds(30_000), rates, 1);
    t.is(result.wrong, 0);
    t.is(result.missed, 0);
    t.true(result.faults > 0 && result.taken > rounds(1_000) && result.taken < result.frames);
  });
}

test("every block passes a noisy line unharmed, once", async (t) => {
  for (const bitErrors of [0, 1e-5, 1e-4]) {
    const rates = { bitErrors, drops: 1e-5, inserts: 1e-5, duplicates: 1e-5 };
    const result = await blocksThroughNoise(rounds(200), rates, 2);
    t.like(result, { wrong: 0, lost: 0 });
    t.true(result.faults > 0);
  }
});

test("hostile inputs are refused with a Fault, and leave nothing behind", (t) => {
  const result = fuzz(rounds(1_000_000), 3);
  t.deepEqual([...result.thrown], []);
  t.true(result.refused > rounds(100_000));
  t.true(result.growth < 20_000_000, `${result.growth} bytes`);
});
