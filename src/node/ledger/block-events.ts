/** What each entry of the ledger is to its block, in the table of a block's life. Pure. */
import type { BlockEvent } from "../keys/life.ts";
import type { KeptBackReason, LedgerEntry, WithheldReason } from "../keys/ports.ts";

/**
 * What an entry is to its block.
 * @param why the block is withheld
 * @returns undefined for an entry that is not about one block
 */
export function eventOf(
  entry: LedgerEntry,
  why: WithheldReason | undefined,
): BlockEvent | undefined {
  switch (entry.kind) {
    case "assigned":
    case "delivered_to":
    case "sent":
    case "returned":
    case "delivered":
    case "quarantined":
    case "complete":
    case "withheld":
    case "damaged":
    case "released":
      return entry.kind;
    case "discarded":
      return entry.keyId === undefined ? "discarded" : "key_discarded";
    case "reinstated":
      return entry.keyId === undefined ? lifting(entry.reason, why) : "key_reinstated";
    default:
      return undefined;
  }
}

function lifting(reason: KeptBackReason | undefined, why: WithheldReason | undefined): BlockEvent {
  if (reason === undefined) return "reinstated";
  if (reason === "damaged") return "mended";
  return reason === why ? "lifted" : "allowed";
}
