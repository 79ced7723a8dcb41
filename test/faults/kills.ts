/**
 * Nodes that are killed at random, by SIGKILL, while keys flow: in the middle of starting, of a
 * supply, of a write. What is left in the end is compared by the oracle.
 */
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { patience } from "../patience.ts";
import { random } from "../random.ts";
import { Rig, type RigEnd } from "../rig/rig.ts";
import { auditRig } from "./audit-rig.ts";
import { Witness } from "./witness.ts";

export interface KillResult {
  readonly kills: number;
  readonly keys: number;
  /** Longest time from a start to both the module and the KM being connected, ms. */
  readonly slowest: number;
  /** What should never be; with the seed it can be tried again. */
  readonly broken: readonly string[];
}

const keyBits = 256;
const blockBits = 4_096;
/** A node that is not ready by then counts as one that hangs, ms. */
const deadlineMs = 60_000;

async function ready({ node }: RigEnd): Promise<void> {
  const deadline = patience(deadlineMs);
  await node.logged(/module up/, deadline);
  await node.logged(/KM connected/, deadline);
}

/** Starts and kills one node again and again. @returns the longest time to be ready, ms */
async function torment(end: RigEnd, kills: number, draw: () => number): Promise<number> {
  let slowest = 0;
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  for (let n = 0; n < kills; n++) {
    const begun = performance.now();
    if (draw() < 0.3) {
      // In the middle of starting.
      await pause(draw() * 500);
    } else {
      await ready(end);
      slowest = Math.max(slowest, performance.now() - begun);
      await pause(draw() * 120);
    }
    await end.node.stop("SIGKILL");
    end.node.lines.length = 0;
    end.node.start();
  }
  const begun = performance.now();
  await ready(end);
  return Math.max(slowest, performance.now() - begun);
}

/** @param kills in all, half of them at each end */
export async function killNodes(kills: number, seed: number): Promise<KillResult> {
  const stream = seedSource({ seed, blocks: undefined, blockBits, clock: systemClock });
  let more = true;
  const witness = new Witness(
    { ...stream, next: () => (more ? stream.next() : undefined) },
    keyBits,
  );
  const rig = await Rig.start({ source: witness.source, keyBits, baud: 0, blockIntervalMs: 20 });
  try {
    const half = Math.ceil(kills / 2);
    const times = await Promise.all(
      rig.ends.map((end, i) => torment(end, half, random(seed * 31 + i))),
    );
    more = false;
    await rig.until("every block is released or kept back", () => rig.settled(), { deadlineMs });
    await Promise.all(rig.ends.map(({ node }) => node.stop()));
    const { keys, broken: found } = auditRig(rig, witness);
    const broken = [...found];
    const { oneSided } = rig.compare();
    if (oneSided > 0) broken.push(`${oneSided} keys are at one end alone`);
    return { kills: 2 * half, keys, slowest: Math.max(...times), broken };
  } finally {
    await rig.close();
  }
}
