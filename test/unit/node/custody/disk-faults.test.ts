import test from "ava";
import { rounds, some } from "../../../campaign-scale.ts";
import {
  diskErrors,
  forgetfulDisks,
  ledgerTroubles,
  powerCuts,
} from "../../../faults/disk-campaign.ts";

// Every file operation of a run is a point of failure, each third of them where campaigns are short; more seeds
// in `npm run soak`.
const every = rounds(10) === 10 ? 1 : 3;
const seeds = Array.from({ length: 17 }, (_, i) => i + 1);

test("power may fail at any file operation: the node starts again, and nothing is lost or doubled", async (t) => {
  const { points, broken } = await powerCuts(some(seeds), every);
  t.deepEqual(broken.slice(0, 10), []);
  t.true(points >= rounds(1_000) / every, `${points} points`);
});

/** All of them in CI; else the one that disks say most. */
const codes = some(["ENOSPC", "EROFS", "EIO", "EMFILE"]);

test("a disk that is full, broken or read-only stops supply, and no more than that", async (t) => {
  const { points, broken } = await diskErrors([1], codes, every);
  t.deepEqual(broken.slice(0, 10), []);
  t.true(points >= rounds(200) / every, `${points} points`);
});

test("a disk that forgets what it failed to sync, and later loses power, costs nothing that counted", async (t) => {
  const { points, broken } = await forgetfulDisks(some(seeds.slice(0, 3)), every);
  t.deepEqual(broken.slice(0, 10), []);
  t.true(points >= rounds(200) / every, `${points} points`);
});

test("a ledger of entries of every kind is read as it was recorded, wherever power or the disk fails", async (t) => {
  const { points, broken } = await ledgerTroubles(some(seeds.slice(0, 2)), every);
  t.deepEqual(broken.slice(0, 10), []);
  t.true(points >= rounds(1_000) / every, `${points} points`);
});
