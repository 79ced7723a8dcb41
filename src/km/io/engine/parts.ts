/** What an engine is put together from. */

import type { Clock } from "../../../base/clock.ts";
import type { Duration } from "../../../base/duration.ts";
import type { Fault } from "../../../base/errors.ts";
import type { Group } from "./group.ts";
import type { IntakeFiles } from "./intake-files.ts";
import type { Keyring } from "./keyring.ts";
import type { Ledger } from "./ledger.ts";
import type { Reserve } from "./reserve.ts";
import type { LostStock } from "./salvage.ts";
import type { Volumes } from "./volumes.ts";

export interface EngineParts {
  readonly intake: IntakeFiles;
  readonly volumes: Volumes;
  readonly ledger: Ledger;
  readonly keyring: Keyring;
  readonly reserve: Reserve;
  readonly groups: Iterable<Group>;
  /** The number of the next group. */
  readonly next: number;
  readonly limitBytes: number;
  /** Within this what is not needed any more can't be read back, ms. */
  readonly wipeAfter: Duration;
  /** Syncs follow each other no quicker than this, ms: each costs the processor as much as a hundred keys. */
  readonly cycleMs: number;
  readonly clock: Clock;
  /** Called once, when something could not be made durable. */
  readonly onFailure: (fault: Fault) => void;
  /** All that is stored is sealed anew for another master key. */
  readonly onRekeyed?: (() => void) | undefined;
  /** Stock is damaged on the disk, and was given up when the rest of it was sealed anew. */
  readonly onLost?: ((lost: LostStock) => void) | undefined;
}
