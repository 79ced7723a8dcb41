/**
 * What the conformance suite can do to a module, whatever the module is: emulated, a program of its
 * own, a stack that leaves files in a folder, hardware on a bench. Whoever adds a driver writes one
 * of these, and the suite of `suite.ts` runs against it.
 */
import type { BlockFacts } from "../../src/port/key.ts";
import type { DriverContext, ModuleDriver } from "../../src/port/module.ts";

/** A block that the module has distilled, as the driver must hand it over. */
export interface Made {
  readonly facts: BlockFacts;
  /** The key itself, a copy: first bit of the key is the most significant of the first byte. */
  readonly bytes: Buffer;
}

/** Input that no module should send. It may end a session; it must do nothing else. */
export interface Malformation {
  /** A sentence's end: "the module sends …". */
  readonly name: string;
  /** Makes it happen now, once, in the session at hand. */
  inject(): Promise<void>;
}

/**
 * What a module may have no notion of; and what cannot be done to one on a bench. `unread`: to let go of a block that
 * was not offered in any session.
 */
export type Lack =
  | "read"
  | "discard"
  | "zeroize"
  | "unread"
  | "telemetry"
  | "rate"
  | "start"
  | "unplug"
  | "restart"
  | "identity"
  | "malformations";

export interface Specimen {
  /** A driver for this module, made as the configuration would; called for each start of a node. */
  driver(context: DriverContext): ModuleDriver;
  /**
   * Has the module distil its next block; resolves when the module holds it.
   * @param bits length of the block; 0 for one that yields no key
   */
  distil(bits: number): Promise<Made>;
  /** Names (`blockName`) of the blocks that the module holds now, oldest first. */
  held(): Promise<string[]>;
  /** Takes the module away as a pulled cable would; `plug` brings it back, with its keys. */
  unplug(): Promise<void>;
  plug(): Promise<void>;
  /** A reset of the module: it forgets its session, not its keys. */
  restart(): Promise<void>;
  /** From the next connection on, a module with another ID answers, with the same keys. */
  identity(moduleId: string): Promise<void>;
  /** Everything malformed that can be injected. */
  readonly malformations: readonly Malformation[];
  /** Releases everything it has: processes, descriptors, files. Any number of times. */
  close(): Promise<void>;
}
