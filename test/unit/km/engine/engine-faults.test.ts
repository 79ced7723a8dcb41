import test from "ava";
import { rounds, some } from "../../../campaign-scale.ts";
import {
  engineDiskErrors,
  engineForgetfulDisks,
  enginePowerCuts,
} from "../../../faults/engine-campaign.ts";
import { killEngines } from "../../../faults/engine-kills.ts";
import { rekeyTroubles } from "../../../faults/rekey-campaign.ts";
import { testWhole } from "../../../needs.ts";

// Every file operation of a story is a point of failure; more seeds in `npm run soak`.
const every = Math.ceil(10 / rounds(10));
const seeds = some([1, 2]);

test("power may fail at any operation, rekeying included: what was acknowledged is there, what was used is not, nor can it be decrypted", async (t) => {
  t.timeout(600_000);
  const { points, broken } = await enginePowerCuts(seeds, every);
  t.deepEqual(broken.slice(0, 10), []);
  t.true(points >= (rounds(300) * seeds.length) / 2, `${points} points`);
});

testWhole(
  "a disk that is full or broken for a while loses nothing that was acknowledged",
  async (t) => {
    t.timeout(600_000);
    const { points, broken } = await engineDiskErrors([1], ["ENOSPC", "EIO"], every);
    t.deepEqual(broken.slice(0, 10), []);
    t.true(points >= rounds(150), `${points} points`);
  },
);

testWhole(
  "a disk that forgets what it failed to sync, and then loses power, loses no key that was acknowledged",
  async (t) => {
    t.timeout(600_000);
    const { broken } = await engineForgetfulDisks(seeds, every);
    t.deepEqual(broken.slice(0, 10), []);
  },
);

testWhole(
  "whatever fails while the master key is exchanged, the next start opens the store by itself",
  async (t) => {
    t.timeout(600_000);
    const { points, broken } = await rekeyTroubles([1], every);
    t.deepEqual(broken.slice(0, 10), []);
    t.true(points >= rounds(600), `${points} points`);
  },
);

testWhole(
  "a process that is killed has what it acknowledged, and no used key comes back",
  async (t) => {
    t.timeout(600_000);
    const { broken, keys } = await killEngines(rounds(100), 1);
    t.deepEqual(broken.slice(0, 10), []);
    t.true(keys > 0);
  },
);
