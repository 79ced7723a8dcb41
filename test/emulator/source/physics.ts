/** Key that follows from a link's physics: each block is what one interval of time gave. */
import { createCipheriv, createHash, createSecretKey } from "node:crypto";
import type { Clock } from "../../../src/base/clock.ts";
import type { PhysicalLink } from "../physics/link.ts";
import type { BlockSource } from "./source.ts";

export interface PhysicsOptions {
  /** For people. */
  readonly name: string;
  readonly link: PhysicalLink;
  readonly seed: number;
  /** Time of the link that a block takes, seconds. */
  readonly seconds: number;
  /** For the time at which a block was finished. */
  readonly clock: Clock;
  /** The longest block, bits; what is more is left out. */
  readonly maxBits?: number;
  /** Intervals in all; undefined: without end. */
  readonly blocks?: number | undefined;
}

const digest = (text: string) => createHash("sha256").update(text).digest();

/** Key bytes that follow from seed and number; bits after the end are 0. */
export function keyStream(seed: number, number: number, bits: number): Buffer {
  const key = createSecretKey(digest(`block ${seed} ${number}`));
  const cipher = createCipheriv("aes-256-ctr", key, Buffer.alloc(16));
  const bytes = cipher.update(Buffer.alloc(Math.ceil(bits / 8)));
  const spare = bytes.length * 8 - bits;
  const last = bytes.length - 1;
  if (spare > 0) bytes[last] = (bytes[last] as number) & (0xff << spare);
  return bytes;
}

export function physicsSource(options: PhysicsOptions): BlockSource {
  const { name, link, seed, seconds, clock, maxBits = 8_000_000, blocks } = options;
  const epoch = digest(`epoch ${seed}`).toString("hex", 0, 8);
  let number = 0;
  return {
    name,
    total: blocks,
    link,
    next() {
      if (blocks !== undefined && number >= blocks) return undefined;
      const { bits: distilled, siftedBits, qber } = link.advance(seconds);
      const bits = Math.min(maxBits, distilled);
      const bytes = keyStream(seed, number, bits);
      const facts = {
        ref: { epoch, number: number++ },
        bits,
        siftedBits: Math.min(0xffff_ffff, siftedBits),
        generatedAt: clock.wall(),
        // QMLP carries 10⁻⁶.
        ...(qber !== undefined && { qber: Math.round(qber * 1e6) / 1e6 }),
      };
      return { facts, alice: bytes, bob: Buffer.from(bytes) };
    },
  };
}
