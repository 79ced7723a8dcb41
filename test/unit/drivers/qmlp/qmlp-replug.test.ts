import test from "ava";
import { replug } from "../../../campaign/replug.ts";
import { rounds } from "../../../campaign-scale.ts";

test("pulled out in mid-frame, a module is back within two seconds and nothing is lost", async (t) => {
  const alive = setInterval(() => {}, 60_000);
  t.teardown(() => clearInterval(alive));
  // A short seed of what `npm run soak` does a thousand times.
  const { slowest, lost, wrong, doubled, leaked } = await replug(rounds(25), 1);
  t.true(slowest <= 2_000, `${slowest} ms`);
  t.deepEqual({ lost, wrong, doubled }, { lost: 0, wrong: 0, doubled: 0 });
  t.true(leaked <= 0, `${leaked} descriptors`);
});
