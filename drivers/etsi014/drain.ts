/** Zeroize of a leader: what its KME has for it is taken, and wiped. Pure. */
import type { Clock } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import { wipeMemory } from "../../src/port/key.ts";
import type { Kme } from "./kme.ts";

/** It takes so long at most, ms. */
const drainMs = 5_000;

/**
 * Takes and wipes what the KME has at this moment; the follower can't know the IDs.
 * @param batch keys of a request, at most
 * @throws Fault `module.command` if keys are left
 */
export async function drain(kme: Kme, batch: number, clock: Clock): Promise<void> {
  const until = clock.now() + drainMs;
  try {
    const status = await kme.status();
    let left = status?.stored ?? 0;
    while (left > 0 && clock.now() < until) {
      const asked = await kme.take(Math.min(batch, status?.maxPerRequest ?? 1, left));
      if (asked.kind !== "keys" || asked.keys.length === 0) return;
      for (const { bytes } of asked.keys) wipeMemory(bytes);
      left -= asked.keys.length;
    }
  } catch (error) {
    throw new Fault("module.command", `zeroize: the KME's own keys are left: ${describe(error)}`);
  }
}
