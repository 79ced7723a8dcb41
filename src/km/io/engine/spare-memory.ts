/** Memory that the store keeps for what it does next: what only a burst needed goes back some seconds after it. */
import { type Clock, every, type Timer } from "../../../base/clock.ts";
import { releaseKeyMemory } from "./key-pool.ts";
import type { Scratch } from "./scratch.ts";

/** What was not needed for so long is given back, ms. */
const lookMs = 2_000;

/** What of an engine's parts has such memory. */
export interface WithSpare {
  readonly clock: Clock;
  readonly intake: { readonly scratch: Scratch };
  readonly volumes: { readonly scratch: Readonly<Record<string, Scratch>> };
}

/** @returns ends it */
export function giveBackSpare({ clock, intake, volumes }: WithSpare): Timer {
  return every(clock, lookMs, () => {
    releaseKeyMemory();
    for (const scratch of [intake.scratch, ...Object.values(volumes.scratch)]) scratch.release();
  });
}
