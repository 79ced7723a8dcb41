/**
 * Key managers and nodes of a link that are killed at random, by SIGKILL, while keys flow. In the end the books of
 * both key managers agree, and what the modules let go of is stock, all of it, once.
 */
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { random } from "../random.ts";
import type { KmPair } from "../rig/km-pair.ts";
import { Rig } from "../rig/rig.ts";

export interface KmKillResult {
  readonly kills: number;
  /** Bits that the modules distilled, and that are stock at both ends. */
  readonly bits: number;
  readonly stock: number;
  /** Longest time from a start of a key manager to its being ready, ms. */
  readonly slowest: number;
  readonly broken: readonly string[];
}

const keyBits = 256;
const blockBits = 4_096;
/** What does not come up or come to rest by then hangs, ms. */
const deadlineMs = 60_000;

/** @param kills in all, of either key manager and either node */
export async function killKms(kills: number, seed: number): Promise<KmKillResult> {
  const draw = random(seed);
  const stream = seedSource({ seed, blocks: undefined, blockBits, clock: systemClock });
  let more = true;
  const source = { ...stream, next: () => (more ? stream.next() : undefined) };
  const rig = await Rig.start({ source, keyBits, baud: 0, blockIntervalMs: 20, realKms: true });
  try {
    const kms = rig.kms as KmPair;
    let slowest = 0;
    for (let n = 0; n < kills; n++) {
      await new Promise((resolve) => setTimeout(resolve, draw() * 400));
      const which = Math.floor(draw() * 4);
      if (which < 2) {
        const { node } = rig.ends[which] ?? rig.alice;
        await node.stop("SIGKILL");
        node.start();
        continue;
      }
      const km = kms.kms[which - 2] ?? kms.alice;
      await km.process.stop("SIGKILL");
      const begun = performance.now();
      // In the middle of starting, too.
      if (draw() < 0.2) {
        km.process.start();
        continue;
      }
      await km.start(AbortSignal.timeout(deadlineMs));
      slowest = Math.max(slowest, performance.now() - begun);
    }
    more = false;
    for (const { process } of kms.kms) process.start();
    await rig.until("all is released", () => rig.settled(), { deadlineMs });
    return await compare(rig, kms, { kills, slowest });
  } finally {
    await rig.close();
  }
}

async function compare(
  rig: Rig,
  kms: KmPair,
  told: Pick<KmKillResult, "kills" | "slowest">,
): Promise<KmKillResult> {
  let bits = 0;
  for (const { facts } of rig.pair.alice.module.history.values()) bits += facts.bits;
  const stockOf = async () => {
    const all = await Promise.all(kms.kms.map((km) => km.status()));
    return all.map(({ links: [link] }) => [link?.stock_bits ?? 0, link?.peer_stock_bits ?? 0]);
  };
  const broken: string[] = [];
  const whole = {
    deadlineMs,
    when: (seen: number[][]) => seen.every(([a = 0, b = 0]) => a + b >= bits),
  };
  const [alice = [], bob = []] = await eventually("all is stock", stockOf, whole).catch(
    async (error: Error) => {
      broken.push(error.message);
      return stockOf();
    },
  );
  const stock = (alice[0] ?? 0) + (alice[1] ?? 0);
  if (stock > bits) broken.push(`${stock} bits are stock, of ${bits} that were distilled`);
  if (alice[0] !== bob[1] || alice[1] !== bob[0]) {
    broken.push(`the owners differ: ${alice} at Alice's, ${bob} at Bob's`);
  }
  for (const km of kms.kms) {
    const { links, modules } = await km.status();
    for (const { differing_keys, expired_keys, waiting_keys } of links) {
      const bad = differing_keys + expired_keys + waiting_keys;
      if (bad > 0) broken.push(`at ${km.end} keys differed, expired or wait: ${bad}`);
    }
    if (modules.some(({ conflicts }) => conflicts > 0)) broken.push(`at ${km.end} IDs conflict`);
  }
  return { ...told, bits, stock, broken };
}
