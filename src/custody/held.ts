import type { KeyBlock } from "../port/key.ts";

/** A block in memory, and how many of its keys the KM has not yet answered for. */
export interface Held {
  readonly block: KeyBlock;
  unanswered: number;
  /** Keys of it stay in the module: in quarantine, or another KM's. */
  partial: boolean;
  /** The stretch that it is in is claimed for the one KM, on disk. */
  claimed: boolean;
}
