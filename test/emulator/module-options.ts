/** What an emulated module is made of. */
import type { BlockCheck } from "../../drivers/qmlp/blocks.ts";
import type { checkOf } from "../../drivers/qmlp/check.ts";
import type { Clock } from "../../src/base/clock.ts";
import type { ModuleIdentity } from "../../src/port/module.ts";
import type { TelemetrySample } from "../../src/port/telemetry.ts";

/** What it says of itself; dialect and longest block are the protocol's to say. */
export type EmulatedIdentity = Omit<ModuleIdentity, "protocol" | "maxBlockBytes">;

export interface ModuleLine {
  transmit(bytes: Buffer): void;
  /** Bytes that wait to leave, and how many should at most. */
  backlog(): number;
  readonly lowWater: number;
}

export interface ModuleOptions {
  readonly identity: EmulatedIdentity;
  readonly line: ModuleLine;
  readonly clock: Clock;
  /** What it measures now. */
  readonly telemetry: () => TelemetrySample;
  /** Blocks that fit in its memory. */
  readonly maxBlocks?: number;
  /** How blocks are checked; GMAC only if the node knows it. Default SHA-256. */
  readonly check?: BlockCheck;
  /** The check of a block's bytes; a benchmark that knows it spares the work. */
  readonly checkOf?: typeof checkOf;
}
