/** Of which module a ledger has keys on record. Pure. */
import type { Ledger } from "../keys/ports.ts";

type OfModules = Pick<Ledger, "module" | "blocks" | "pairOf">;

/**
 * Name of the ledger, other than this one, whose module has this ID, or that has blocks of it on record which it has
 * not let go of: under another name all of them would be new.
 */
export function ledgerOf<L extends OfModules>(
  ledgers: ReadonlyMap<string, L>,
  own: L,
  moduleId: string,
): string | undefined {
  for (const [name, ledger] of ledgers) {
    if (ledger !== own && (ledger.module?.moduleId === moduleId || hasBlocks(ledger, moduleId))) {
      return name;
    }
  }
  return undefined;
}

function hasBlocks(ledger: OfModules, moduleId: string): boolean {
  for (const { ref } of ledger.blocks()) {
    if (ledger.pairOf(ref.epoch)?.moduleId === moduleId) return true;
  }
  return false;
}
