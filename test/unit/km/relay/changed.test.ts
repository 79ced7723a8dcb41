/** A byte that was changed on a hop is found at its end, before the key is kept or goes on, however often it is tried. */
import test from "ava";
import { changedRelays } from "../../../campaign/changed-relays.ts";
import { rounds } from "../../../campaign-scale.ts";

const tries = rounds(100_000);

test(`of ${tries.toLocaleString("en")} relay messages of all kinds with a changed byte none goes on`, async (t) => {
  const { wrong, kinds, good } = await changedRelays(tries, Number(process.env.QKD_SEED ?? 1));
  t.deepEqual(wrong, []);
  t.true(good >= kinds, "those that were not changed do");
});
