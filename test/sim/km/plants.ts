/** Mistakes that the simulator must find: each is put into a world, and the number of lives until it shows is told. */
import type { KmLink } from "../../../src/km/link/link.ts";
import type { Wanted } from "./drawn.ts";
import type { Meddle } from "./network.ts";
import type { Name, SimKm } from "./sim-km.ts";
import type { World } from "./story.ts";

export interface Plant {
  readonly name: string;
  readonly world?: Wanted;
  /** At this KM callbacks run before anything is durable. */
  readonly noSync?: Name;
  readonly meddle?: Meddle;
  readonly into?: (link: KmLink, km: SimKm, world: World) => void;
}

export const plants: readonly Plant[] = [];
