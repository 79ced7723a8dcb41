/** Every file operation and transaction of a key manager's store, failed one by one. */
import { random } from "../random.ts";
import { Disk, PowerCut, systemError } from "./disk.ts";
import type { CampaignResult } from "./disk-campaign.ts";
import { EngineStory } from "./engine-story.ts";

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

async function operations(seed: number): Promise<number> {
  const disk = new Disk();
  const broken = await tell(disk, seed, random(seed));
  if (broken.length > 0) throw new Error(broken.join("; "));
  return disk.operations;
}

/**
 * Power fails at operation n, for every n of each seed's story.
 * @param every 1: at each; more: at one of so many
 */
export async function enginePowerCuts(
  seeds: readonly number[],
  every: number,
): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (let at = 1 + (seed % every); at <= total; at += every) {
      points++;
      const disk = new Disk();
      disk.trouble = (operation) => (operation === at ? new PowerCut() : undefined);
      const found = await tell(disk, seed, random(seed * 100_003 + at));
      broken.push(...found.map((what) => `seed ${seed}, power cut at ${at}: ${what}`));
    }
  }
  return { points, broken };
}

/** Operation n and some after it fail with an error of the system, for every n. */
export async function engineDiskErrors(
  seeds: readonly number[],
  codes: readonly string[],
  every: number,
): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (const code of codes) {
      for (let at = 1 + (seed % every); at <= total; at += every) {
        points++;
        const disk = new Disk();
        const last = at + ((at * 7 + seed) % 6);
        disk.trouble = (operation) =>
          operation >= at && operation <= last ? systemError(code) : undefined;
        const found = await tell(disk, seed, random(seed));
        broken.push(...found.map((what) => `seed ${seed}, ${code} at ${at}-${last}: ${what}`));
      }
    }
  }
  return { points, broken };
}

/** A sync that fails at operation n forgets what it did not write; some operations later power fails as well. */
export async function engineForgetfulDisks(
  seeds: readonly number[],
  every: number,
): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (let at = 1 + (seed % every); at <= total; at += every) {
      points++;
      const draw = random(seed * 100_003 + at);
      const cut = at + 20 + Math.floor(draw() * 60);
      const disk = new Disk();
      disk.forgets = draw;
      disk.trouble = (operation) => {
        if (operation === at) return systemError("EIO");
        return operation === cut ? new PowerCut() : undefined;
      };
      const found = await tell(disk, seed, draw);
      broken.push(...found.map((what) => `seed ${seed}, EIO at ${at}, cut at ${cut}: ${what}`));
    }
  }
  return { points, broken };
}
