/** Every file operation and transaction of a key manager's store, failed one by one. */
import { random } from "../random.ts";
import type { Disk } from "./disk.ts";
import { EngineStory } from "./engine-story.ts";
import { type CampaignResult, errorsAt, everyPoint, forgetfulAt, powerCutAt } from "./points.ts";

/** Acts of each life; the last is the one that must go well. */
const steps = [14, 10, 8];

async function tell(disk: Disk, seed: number, draw: () => number): Promise<string[]> {
  const story = new EngineStory(random(seed));
  let current = disk;
  for (let life = 0, done = 0; done < steps.length; life++) {
    const isWhole = await story.live(current, steps[done] as number);
    if (isWhole) done++;
    if (current.dead) current = current.afterPowerCut(draw);
    if (life > 40) return ["the story never ended"];
  }
  return story.broken;
}

/**
 * Power fails at operation n, for every n of each seed's story.
 * @param every 1: at each; more: at one of so many
 */
export function enginePowerCuts(seeds: readonly number[], every: number): Promise<CampaignResult> {
  return everyPoint(tell, seeds, powerCutAt, every);
}

/** Operation n and some after it fail with an error of the system, for every n. */
export function engineDiskErrors(
  seeds: readonly number[],
  codes: readonly string[],
  every: number,
): Promise<CampaignResult> {
  const troubles = errorsAt(codes, (seed, at) => 1 + ((at * 7 + seed) % 6));
  return everyPoint(tell, seeds, troubles, every);
}

/** A sync that fails at operation n forgets what it did not write; some operations later power fails as well. */
export function engineForgetfulDisks(
  seeds: readonly number[],
  every: number,
): Promise<CampaignResult> {
  const span = (draw: () => number) => ({ length: 1, cutAfter: 19 + Math.floor(draw() * 60) });
  return everyPoint(tell, seeds, forgetfulAt(span), every);
}
