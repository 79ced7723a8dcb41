/** A reproducible stream of blocks: the same seed gives the same key, QBER and names. */
import { createHash } from "node:crypto";
import type { Clock } from "../../../src/base/clock.ts";
import { keyStream } from "./physics.ts";
import type { BlockSource } from "./source.ts";

export interface SeedOptions {
  readonly seed: number;
  /** Bits of a block. */
  readonly blockBits: number;
  /** How many; undefined: without end. */
  readonly blocks?: number | undefined;
  /** Number of the first block; default 0. */
  readonly first?: number;
  readonly clock: Clock;
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

export function seedSource(options: SeedOptions): BlockSource {
  const { seed, blockBits, blocks, first = 0, clock } = options;
  const epoch = digest(`epoch ${seed}`).toString("hex", 0, 8);
  let number = first;
  return {
    name: `seed ${seed}`,
    total: blocks,
    next() {
      if (blocks !== undefined && number - first >= blocks) return undefined;
      const bytes = keyStream(seed, number, blockBits);
      // Around 3 %, as a healthy link of some tens of kilometres has.
      const qber =
        Math.round(
          (0.02 + 0.02 * (digest(`qber ${seed} ${number}`).readUInt32BE(0) / 2 ** 32)) * 1e4,
        ) / 1e4;
      const facts = {
        ref: { epoch, number },
        bits: blockBits,
        qber,
        siftedBits: Math.round(blockBits * 1.8),
        generatedAt: clock.wall(),
      };
      number++;
      return { facts, alice: bytes, bob: Buffer.from(bytes) };
    },
  };
}
