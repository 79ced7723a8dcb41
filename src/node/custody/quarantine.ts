/** Keeps a key back from every KM until an operator decides: recorded, counted, told. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { type BlockRef, blockName } from "../../port/key.ts";
import type { CustodyCounters } from "../keys/counters.ts";
import type { Ledger } from "../keys/ports.ts";
import type { CustodyEvent } from "./events.ts";

export interface QuarantineParts {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Log;
  readonly onEvent: (event: CustodyEvent) => void;
}

/** @param reason a KM's, or `interrupted`, or `operator` */
export function quarantine(
  { ledger, clock, log, onEvent }: QuarantineParts,
  counters: CustodyCounters,
  ref: BlockRef,
  keyId: string,
  reason: string,
): void {
  counters.quarantined++;
  ledger.append({ kind: "quarantined", ref, keyId, reason });
  const facts = { key_ID: keyId, block: blockName(ref), reason };
  // A KM that refuses all there is causes one for each key; the ledger and the events have them.
  LogLimit.of(log, clock).warn("", "key quarantined", facts);
  onEvent({ type: "key_quarantined", facts });
}
