/** What custody tells the manager's event log. */
import { type BlockFacts, blockName } from "../../port/key.ts";

/** Something that happened to a block or key. */
export interface CustodyEvent {
  readonly type:
    | "block_empty"
    | "key_withheld"
    | "key_quarantined"
    | "block_damaged"
    | "block_without_qber"
    | "block_replayed"
    /** The module let go of a block that it was not told to: what was not supplied of it is gone. */
    | "block_lost"
    /** Blocks of an epoch that the ledger knows as another module's. They stay in the module. */
    | "module_changed"
    /** Blocks of an epoch that began with another matching module: they keep their IDs. */
    | "pair_changed"
    /** Keys wait for a KM that is not configured. */
    | "key_waits_for_km"
    | "key_reinstated"
    | "key_discarded";
  readonly facts: Readonly<Record<string, string | number>>;
}

/** What is told of a block: never its bytes. */
export function blockFacts(facts: BlockFacts): Record<string, string | number> {
  return {
    block: blockName(facts.ref),
    sequence: facts.ref.number,
    bits: facts.bits,
    ...(facts.qber !== undefined && { qber: facts.qber }),
  };
}
