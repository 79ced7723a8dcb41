/** Every point at which something may fail in a story, tried one by one. */
import { random } from "../random.ts";
import { Disk, PowerCut, systemError } from "./disk.ts";

export interface CampaignResult {
  /** Points of failure that were tried. */
  readonly points: number;
  /** What should never be, each with what repeats it. Must be empty. */
  readonly broken: readonly string[];
}

/** A disk that fails in one way at one point. */
export interface Trouble {
  readonly disk: Disk;
  /** Chance of this story. */
  readonly draw: () => number;
  /** For people: what fails, and when. */
  readonly what: string;
}

/** A story on a disk. @returns what should never be */
export type Tell = (disk: Disk, seed: number, draw: () => number) => Promise<readonly string[]>;

/** The troubles to try at operation `at` of a seed's story. */
export type TroublesAt = (seed: number, at: number) => readonly Trouble[];

/**
 * Tells the story of each seed without trouble, and then with each trouble at each of its operations.
 * @param every 1: at each; more: at one of so many
 */
export async function everyPoint(
  tell: Tell,
  seeds: readonly number[],
  troublesAt: TroublesAt,
  every = 1,
): Promise<CampaignResult> {
  const broken: string[] = [];
  let points = 0;
  for (const seed of seeds) {
    const run = async ({ disk, draw, what }: Trouble) => {
      points++;
      const found = await tell(disk, seed, draw);
      broken.push(...found.map((fault) => `seed ${seed}, ${what}: ${fault}`));
    };
    const whole = new Disk();
    await run({ disk: whole, draw: random(seed), what: "no trouble" });
    for (let at = 1 + (seed % every); at <= whole.operations; at += every) {
      for (const trouble of troublesAt(seed, at)) await run(trouble);
    }
  }
  return { points, broken };
}

/** Chance that is another at each point of each seed. */
export const drawAt = (seed: number, at: number) => random(seed * 100_003 + at);

/** Power fails at the operation. */
export const powerCutAt: TroublesAt = (seed, at) => {
  const disk = new Disk();
  disk.trouble = (operation) => (operation === at ? new PowerCut() : undefined);
  return [{ disk, draw: drawAt(seed, at), what: `power cut at ${at}` }];
};

/**
 * The operation and the next ones fail with each of these errors of the system.
 * @param lengthAt how many operations fail
 */
export function errorsAt(
  codes: readonly string[],
  lengthAt: (seed: number, at: number) => number,
): TroublesAt {
  return (seed, at) =>
    codes.map((code) => {
      const disk = new Disk();
      const end = at + lengthAt(seed, at);
      disk.trouble = (operation) =>
        operation >= at && operation < end ? systemError(code) : undefined;
      return { disk, draw: random(seed), what: `${code} from ${at} to ${end - 1}` };
    });
}

/**
 * Operation `at` and the next ones fail with EIO, on a disk that forgets what it could not sync; some
 * operations later power fails.
 * @param span draws how many operations fail, and after how many more power does
 */
export function forgetfulAt(
  span: (draw: () => number) => { readonly length: number; readonly cutAfter: number },
): TroublesAt {
  return (seed, at) => {
    const draw = drawAt(seed, at);
    const disk = new Disk();
    const { length, cutAfter } = span(draw);
    const end = at + length;
    const cut = end + cutAfter;
    disk.forgets = draw;
    disk.trouble = (operation) => {
      if (operation === cut) return new PowerCut();
      return operation >= at && operation < end ? systemError("EIO") : undefined;
    };
    return [{ disk, draw, what: `EIO from ${at} to ${end - 1}, power cut at ${cut}` }];
  };
}
