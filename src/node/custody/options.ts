/** What a custody is told when it is made. */
import type { Clock } from "../../base/clock.ts";
import type { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Ledger } from "../keys/ports.ts";
import type { CustodyEvent } from "./events.ts";
import type { KmName } from "./owners.ts";

export interface CustodyOptions {
  /** A block with a higher QBER is withheld; 0 to 0.5. */
  readonly qberLimit: number;
  /** Whether a block without a QBER is withheld; default: it is. */
  readonly qberRequired?: boolean;
  /** Length of the QKD-keys that blocks are cut into, bits; undefined: whole blocks. */
  readonly keyBits: number | undefined;
  /** The KMs, in the order in which they are tried; default: one, `km`. */
  readonly kms?: readonly (string | KmName)[];
  /** Whether keys wait until a KM asks for them, in units of `keyBits` (Kq-1 §7.2). */
  readonly onRequest?: boolean;
  /** Bounds of what is in memory. */
  readonly maxHeldBlocks: number;
  readonly maxHeldBytes: number;
}

export interface CustodyParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  /** Waiting times, ms, while a KM answers "later"; a new one for each such time. */
  readonly backoff: () => Iterator<number>;
  readonly onEvent: (event: CustodyEvent) => void;
  /** Keys may not leave now, supplied or asked for, whatever else holds; default: never. */
  readonly halted?: () => boolean;
  /** How people know a KM that is not configured, from what stands for it in the ledger. */
  readonly nameOfKm?: (claimant: string) => string | undefined;
  /** A block came whose keys are supplied, not kept for who asks: whatever the mode is now. Called with each. */
  readonly onSupply?: () => void;
  /** The module has more recorded than is borne: it is to be closed. Called once. */
  readonly onOverload?: (fault: Fault) => void;
}
