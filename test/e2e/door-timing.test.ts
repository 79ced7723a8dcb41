import test from "ava";
import { doorTimings, mostZ } from "../campaign/door-timing.ts";
import { rounds } from "../campaign-scale.ts";

test.serial("who is told nothing learns nothing from how long it takes", async (t) => {
  t.timeout(240_000);
  const { stranger, registered, planted, told } = await doorTimings(rounds(2_000), 22);
  t.log(JSON.stringify({ stranger, registered, planted }));
  t.is(told, 0, "401 without a body, whatever is asked");
  t.true(Math.abs(stranger.z) < mostZ, "a key that exists, and one that does not");
  t.true(Math.abs(registered.z) < mostZ, "for an application that may not have it");
  t.true(planted.z > mostZ, "a difference would be seen");
});
