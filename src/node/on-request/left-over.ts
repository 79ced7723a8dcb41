/**
 * What a ledger says was given for requests before this process began, and is not settled: whether it
 * left is not known. Pure.
 */

import { type BlockRef, blockName } from "../../port/key.ts";
import { isOpen } from "../keys/life.ts";
import { type BlockRecord, type Ledger, unclaimed } from "../keys/ports.ts";
import { tokenOf } from "./request-claimant.ts";

/** The pieces that were given for one request. */
export interface Unsettled {
  readonly pieces: { readonly ref: BlockRef; readonly keyId: string }[];
  /** They left: it is recorded, and they were kept for a repeat. */
  sent: boolean;
}

/** Whether a piece was given, and nothing is recorded of what became of it. */
export function isUnsettled(record: BlockRecord | undefined, keyId: string): boolean {
  if (record === undefined || !isOpen(record.state)) return false;
  const { assigned, delivered, deliveredBits, quarantined, gone } = record;
  const place = assigned.get(keyId);
  const decided = [delivered, quarantined, gone].some((ids) => ids.has(keyId));
  if (place === undefined || place.claimant === unclaimed || decided) return false;
  return place.offset >= deliveredBits;
}

/**
 * Whether something of a block was given for a request, and nothing is recorded of what became of it.
 * @param isKm whether a claimant stands for a KM: what was bound to it was supplied unasked
 */
export function isAskedFor(
  record: BlockRecord | undefined,
  isKm: (claimant: string) => boolean = () => false,
): boolean {
  for (const [keyId, { claimant }] of record?.assigned ?? []) {
    if (isUnsettled(record, keyId) && !isKm(claimant)) return true;
  }
  return false;
}

export class LeftOver {
  readonly #ledger: Ledger;
  readonly #byClaimant = new Map<string, Unsettled>();
  readonly #claimants = new Map<string, string>();

  constructor(ledger: Ledger) {
    this.#ledger = ledger;
    for (const record of ledger.blocks()) {
      if (record.assigned.size === 0 || ledger.keyFormatOf(record.ref)?.onRequest !== true)
        continue;
      for (const [keyId, { claimant }] of record.assigned) {
        if (isUnsettled(record, keyId)) this.#add(claimant, record, keyId);
      }
    }
  }

  get(claimant: string): Unsettled | undefined {
    return this.#byClaimant.get(claimant);
  }

  /** Whether something of a request that had the token of this one is still with the module. */
  hasTokenOf(claimant: string): boolean {
    const { pieces = [] } = this.get(this.#claimants.get(tokenOf(claimant)) ?? "") ?? {};
    return pieces.some(({ ref, keyId }) => isUnsettled(this.#ledger.get(blockName(ref)), keyId));
  }

  /** It is settled. */
  delete(claimant: string): void {
    this.#byClaimant.delete(claimant);
    this.#claimants.delete(tokenOf(claimant));
  }

  #add(claimant: string, { ref, sent }: BlockRecord, keyId: string): void {
    const known = this.#byClaimant.get(claimant);
    const unsettled = known ?? { pieces: [], sent: false };
    unsettled.pieces.push({ ref, keyId });
    if (sent.has(keyId)) unsettled.sent = true;
    if (known !== undefined) return;
    this.#byClaimant.set(claimant, unsettled);
    this.#claimants.set(tokenOf(claimant), claimant);
  }
}
