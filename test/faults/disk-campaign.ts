/** Every point at which a disk may fail a node, tried one by one. */
import type { Disk } from "./disk.ts";
import { live, World } from "./disk-story.ts";
import { ledgerStory } from "./ledger-story.ts";
import {
  type CampaignResult,
  errorsAt,
  everyPoint,
  forgetfulAt,
  powerCutAt,
  type TroublesAt,
} from "./points.ts";

const blocks = 10;
/** A story that is not over after so many starts is not getting anywhere. */
const mostLives = 20;

async function story(disk: Disk, seed: number, draw: () => number): Promise<string[]> {
  const world = new World(seed, blocks);
  let current = disk;
  let lives = 0;
  for (; lives < mostLives; lives++) {
    const { finished } = await live(world, current);
    if (finished) break;
    // A node that could not start is started again on the disk as it is.
    if (current.dead) current = current.afterPowerCut(draw);
  }
  const broken = [...world.broken];
  if (world.failedStarts > 0) broken.push(`${world.failedStarts} starts failed`);
  if (lives === mostLives) broken.push("the story never ended");
  return broken;
}

/** Power fails after operation n, for every n of a run of each seed. */
export function powerCuts(seeds: readonly number[], every?: number): Promise<CampaignResult> {
  return everyPoint(story, seeds, powerCutAt, every);
}

/** Operation n fails with an error of the system, and the next ones for a while, for every n. */
export function diskErrors(
  seeds: readonly number[],
  codes: readonly string[],
  every?: number,
): Promise<CampaignResult> {
  const troubles = errorsAt(codes, (seed, at) => 1 + ((at * 7 + seed) % 12));
  return everyPoint(story, seeds, troubles, every);
}

/** Mostly a few operations fail; power does within sixty after them. */
const forgetful = forgetfulAt((draw) => ({
  length: 1 + Math.floor(draw() * draw() * 12),
  cutAfter: Math.floor(draw() * 60),
}));

/**
 * Operation n fails, and the next ones for a while, on a disk that forgets what it could not sync; some
 * operations later power fails; for every n.
 */
export function forgetfulDisks(seeds: readonly number[], every?: number): Promise<CampaignResult> {
  return everyPoint(story, seeds, forgetful, every);
}

/**
 * The ledger alone, with entries of every kind: power fails at operation n; or operation n fails, is
 * forgotten, and power fails later; for every n.
 */
export function ledgerTroubles(seeds: readonly number[], every?: number): Promise<CampaignResult> {
  const tell = (disk: Disk, seed: number, draw: () => number) =>
    ledgerStory(disk, seed, (dead) => dead.afterPowerCut(draw));
  const troubles: TroublesAt = (seed, at) => [...powerCutAt(seed, at), ...forgetful(seed, at)];
  return everyPoint(tell, seeds, troubles, every);
}
