/** A life with very few keys, for which the applications of both ends ask all the time. */
import { World } from "./story.ts";

export interface LastKeys {
  readonly broken: readonly string[];
  /** Bytes that nobody has, in the end. */
  readonly left: number;
}

const scarce = {
  name: "few keys, asked for at both ends",
  world: {
    faults: { kinds: [], meanMs: 1_000 },
    limits: { unit: 1, lowWater: 256 },
    longest: 1,
    requestMs: 3,
    vanish: 0,
    preOffers: 0,
    refusals: 0,
    differ: 0,
    lost: 0,
    pickUp: 20,
  },
} as const;

export function lastKeys(seed: number): LastKeys {
  const world = new World(seed, 4, scarce);
  const { broken } = world.run();
  const { stock } = world.a.link.books;
  return { broken, left: stock.free(0) + stock.free(1) };
}
