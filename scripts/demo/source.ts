/** Where the demo's key comes from: a recording of a real stack, then physics that can be disturbed. */
import { fileURLToPath } from "node:url";
import type { Clock } from "../../src/base/clock.ts";
import { presets } from "../../test/emulator/physics/bb84.ts";
import { PhysicalLink } from "../../test/emulator/physics/link.ts";
import { keyStream, physicsSource } from "../../test/emulator/source/physics.ts";
import { replaySource } from "../../test/emulator/source/replay.ts";
import { seedSource } from "../../test/emulator/source/seed.ts";
import { type BlockSource, type Chain, chain } from "../../test/emulator/source/source.ts";
import type { DemoOptions } from "./options.ts";

const recordings = fileURLToPath(new URL("../../test/fixtures/qcrypto/", import.meta.url));
/** A healthy link; the others are worse, one so bad that it is an alarm: see `--replay`. */
const healthy = "qber-3pct";
/** Of fibre; with these pulses a second the key rate is about that of the recording. */
const km = 20;
const pulseRate = 1e7;

export interface DemoSource {
  readonly source: BlockSource;
  /** What can be disturbed; undefined where the key is a recording or a plain stream. */
  readonly physics: { readonly link: PhysicalLink; readonly chain: Chain } | undefined;
}

/** Blocks as another source has them, with bits of their own: no two fibres have the same key. */
function alike(source: BlockSource, seed: number): BlockSource {
  return {
    name: source.name,
    total: source.total,
    next() {
      const block = source.next();
      if (block === undefined) return undefined;
      const { facts } = block;
      block.alice.fill(0);
      block.bob.fill(0);
      const bytes = keyStream(seed, facts.ref.number, facts.bits);
      return { facts, alice: bytes, bob: Buffer.from(bytes) };
    },
  };
}

/** @param fibre 1 for the first: the others have bits and noise of their own */
export function createSource(options: DemoOptions, clock: Clock, fibre = 1): DemoSource {
  const { replay, seed, blockBits, blockIntervalMs } = options;
  const recorded = (folders: readonly string[]) =>
    fibre === 1 ? replaySource(folders) : alike(replaySource(folders), fibre);
  if (replay !== undefined) return { source: recorded(replay), physics: undefined };
  if (seed !== undefined) {
    const own = seed + fibre - 1;
    return { source: seedSource({ seed: own, blockBits, clock }), physics: undefined };
  }
  const link = new PhysicalLink({ ...presets.gys, pulseRate }, { km }, fibre);
  const name = `a recorded real link, then a simulated fibre of ${km} km`;
  const seconds = blockIntervalMs / 1_000;
  const both = chain(name, [
    recorded([recordings + healthy]),
    physicsSource({ name: "physics", link, seed: fibre, seconds, clock }),
  ]);
  return { source: both, physics: { link, chain: both } };
}
