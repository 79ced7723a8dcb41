/** What events tell of a block. */
import { type BlockFacts, blockName } from "../port/key.ts";

export function blockFacts(facts: BlockFacts): Record<string, string | number> {
  return {
    block: blockName(facts.ref),
    sequence: facts.ref.number,
    bits: facts.bits,
    ...(facts.qber !== undefined && { qber: facts.qber }),
  };
}
