/** Keeps a key back from every KM until an operator decides: recorded, counted, told. */
import { type BlockRef, blockName } from "../port/key.ts";
import type { Log } from "../port/log.ts";
import type { CustodyCounters } from "./counters.ts";
import type { CustodyEvent } from "./events.ts";
import type { Ledger } from "./ports.ts";

export interface QuarantineParts {
  readonly ledger: Ledger;
  readonly log: Log;
  readonly onEvent: (event: CustodyEvent) => void;
}

/** @param reason a KM's, or `interrupted`, or `operator` */
export function quarantine(
  { ledger, log, onEvent }: QuarantineParts,
  counters: CustodyCounters,
  ref: BlockRef,
  keyId: string,
  reason: string,
): void {
  counters.quarantined++;
  ledger.append({ kind: "quarantined", ref, keyId, reason });
  const facts = { key_ID: keyId, block: blockName(ref), reason };
  log.warn("key quarantined", facts);
  onEvent({ type: "key_quarantined", facts });
}
