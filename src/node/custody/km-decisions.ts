/** What an operator decides about a KM: that it has none of its unconfirmed keys, or who it is. */
import type { BlockRef } from "../../port/key.ts";
import type { Ledger } from "../keys/ports.ts";
import type { KmName, Owners } from "./owners.ts";

export interface KmDecisionsParts {
  readonly owners: Owners;
  readonly ledger: Ledger;
  readonly supplies: {
    isUp(name: string): boolean;
    hold(name: string): void;
    release(name: string): void;
  };
  /** What the ledger says of whose the keys in memory are is to be looked at anew. */
  readonly unclaim: () => void;
  /** Has the module offer these blocks again. */
  readonly read: (refs: readonly BlockRef[]) => void;
}

export class KmDecisions {
  readonly #parts: KmDecisionsParts;

  constructor(parts: KmDecisionsParts) {
    this.#parts = parts;
  }

  /**
   * This KM, configured or not, does not have the keys that were written to it and not answered for:
   * they may be offered to others. On disk before that.
   * @param claimants what stands for the KM in the ledger; default: what stands for one of this name today
   * @returns false, and nothing is done, while the KM is connected: it can answer for itself
   */
  free(
    name: string,
    claimants: readonly string[] = [this.#parts.owners.claimantOf(name)],
  ): boolean {
    const { owners, ledger, supplies, unclaim, read } = this.#parts;
    const isConfigured = claimants.some((claimant) => owners.kmOf(claimant) === name);
    if (isConfigured && supplies.isUp(name)) return false;
    // It may connect before that is on disk: none of these keys is written to it then.
    if (isConfigured) supplies.hold(name);
    const freed = owners.free(claimants);
    unclaim();
    ledger.whenDurable(() => {
      if (isConfigured) supplies.release(name);
      read(freed);
    });
    return true;
  }

  /** What stands for a KM that keys wait for, by the name under which they are listed. */
  claimantsNamed(name: string): readonly string[] {
    return this.#parts.owners.claimantsNamed(name);
  }

  /** Whether the KM is connected. */
  isUp(name: string): boolean {
    return this.#parts.supplies.isUp(name);
  }

  /** A KM is also what these claimants stand for. */
  accept(km: KmName): void {
    this.#parts.read(this.#parts.owners.accept(km));
  }
}
