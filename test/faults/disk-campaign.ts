/** Every point at which a disk may fail a node, tried one by one. */
import { random } from "../random.ts";
import { Disk, PowerCut, systemError } from "./disk.ts";
import { live, World } from "./disk-story.ts";
import { ledgerStory } from "./ledger-story.ts";

export interface CampaignResult {
  /** Points of failure that were tried. */
  readonly points: number;
  /** What should never be, each with what repeats it. Must be empty. */
  readonly broken: readonly string[];
}

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

/** Operations of a whole story without trouble. */
async function operations(seed: number): Promise<number> {
  const disk = new Disk();
  await story(disk, seed, random(seed));
  return disk.operations;
}

/** Power fails after operation n, for every n of a run of each seed. */
export async function powerCuts(seeds: readonly number[]): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (let at = 1; at <= total; at++) {
      points++;
      const disk = new Disk();
      disk.trouble = (operation) => (operation === at ? new PowerCut() : undefined);
      const found = await story(disk, seed, random(seed * 100_003 + at));
      broken.push(...found.map((what) => `seed ${seed}, power cut at ${at}: ${what}`));
    }
  }
  return { points, broken };
}

/** Operation n fails with an error of the system, and the next ones for a while, for every n. */
export async function diskErrors(
  seeds: readonly number[],
  codes: readonly string[],
): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (const code of codes) {
      for (let at = 1; at <= total; at++) {
        points++;
        const disk = new Disk();
        const length = 1 + ((at * 7 + seed) % 12);
        disk.trouble = (operation) =>
          operation >= at && operation < at + length ? systemError(code) : undefined;
        const found = await story(disk, seed, random(seed));
        broken.push(...found.map((what) => `seed ${seed}, ${code} at ${at}+${length}: ${what}`));
      }
    }
  }
  return { points, broken };
}

/**
 * Operation n fails, and the next ones for a while, on a disk that forgets what it could not sync; some
 * operations later power fails; for every n.
 */
export async function forgetfulDisks(seeds: readonly number[]): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const total = await operations(seed);
    for (let at = 1; at <= total; at++) {
      points++;
      const draw = random(seed * 100_003 + at);
      const disk = forgetful(at, draw);
      const found = await story(disk, seed, draw);
      broken.push(...found.map((what) => `seed ${seed}, forgetful at ${at}: ${what}`));
    }
  }
  return { points, broken };
}

/** Fails at operation `at` for a while, and later loses power. */
function forgetful(at: number, draw: () => number): Disk {
  const disk = new Disk();
  const length = 1 + Math.floor(draw() * draw() * 12);
  const cut = at + length + Math.floor(draw() * 60);
  disk.forgets = draw;
  disk.trouble = (operation) => {
    if (operation === cut) return new PowerCut();
    return operation >= at && operation < at + length ? systemError("EIO") : undefined;
  };
  return disk;
}

/**
 * The ledger alone, with entries of every kind: power fails at operation n; or operation n fails, is
 * forgotten, and power fails later; for every n.
 */
export async function ledgerTroubles(seeds: readonly number[]): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  const run = async (disk: Disk, seed: number, draw: () => number, what: string) => {
    points++;
    const found = await ledgerStory(disk, seed, (dead) => dead.afterPowerCut(draw));
    broken.push(...found.map((fault) => `seed ${seed}, ${what}: ${fault}`));
  };
  for (const seed of seeds) {
    const whole = new Disk();
    await run(whole, seed, random(seed), "no trouble");
    for (let at = 1; at <= whole.operations; at++) {
      const draw = random(seed * 100_003 + at);
      const disk = new Disk();
      disk.trouble = (operation) => (operation === at ? new PowerCut() : undefined);
      await run(disk, seed, draw, `power cut at ${at}`);
      await run(forgetful(at, draw), seed, draw, `forgetful at ${at}`);
    }
  }
  return { points, broken };
}
