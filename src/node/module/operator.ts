/** What an operator decides about one module: its keys that are kept back, its KMs, the module itself. */

import { Fault } from "../../base/errors.ts";
import type { Custody } from "../custody/custody.ts";
import { objections, type Selection } from "../custody/kept-back.ts";
import { pin } from "../custody/origin.ts";
import type { KmName } from "../custody/owners.ts";
import { claimantOfKm } from "../keys/key-id.ts";
import type { Ledger } from "../keys/ports.ts";

/** What stands for a KM in the ledgers: as it is, and as it was before its identity changed. */
export interface KmClaimants {
  readonly now: readonly string[];
  readonly former: readonly string[];
}

export interface OperatorParts {
  readonly custody: Custody;
  readonly ledger: Ledger;
  /** `module_id` of the configuration. */
  readonly configured: string | undefined;
  readonly onAccepted: (moduleId: string) => void;
}

export class Operator {
  readonly #parts: OperatorParts;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
  }

  /**
   * About a key or block.
   * @param name a key_ID, or a block as `EPOCH/NUMBER` @throws Fault `module.command`
   */
  decide(what: "reinstate" | "discard" | "withhold", name: string): void {
    const objection = this.#parts.custody.keptBackKeys[what](name);
    if (objection !== undefined) throw new Fault("module.command", objections[objection]);
  }

  /**
   * About all that is kept back and meant.
   * @returns how many blocks that concerns
   */
  decideAll(what: "reinstate" | "discard", selection: Selection): number {
    return this.#parts.custody.keptBackKeys.decideAll(what, selection);
  }

  /**
   * Keys that wait for this KM may go to another.
   * @param km its configured name, or what keys that wait for it are listed with
   * @param claimants what stands for the KM, and for those that it was before
   * @throws Fault `module.command`
   */
  freeKm(km: string, claimants: KmClaimants): void {
    const { custody } = this.#parts;
    const listed = custody.kms.claimantsNamed(km);
    // Of a name that is not remembered the ledgers of earlier versions may know all the same.
    const now = [claimants.now, listed].find((some) => some.length > 0) ?? [claimantOfKm(km)];
    // One that is connected answers for itself, but not for what had its name before.
    if (claimants.former.length > 0 && custody.kms.free(km, claimants.former)) {
      if (!custody.kms.isUp(km)) custody.kms.free(km, now);
      return;
    }
    if (custody.kms.free(km, now)) return;
    throw new Fault("module.command", "the KM is connected: it can answer for itself", { km });
  }

  /** A KM is also what these claimants stand for. */
  acceptKm(km: KmName): void {
    this.#parts.custody.kms.accept(km);
  }

  /**
   * Another module was put in: it is served, on this ledger, from now on. Blocks of the one before are
   * known by their epochs and stay what they are.
   * @throws Fault `module.command` where the configuration names another
   */
  acceptModule(moduleId: string): void {
    const { configured, ledger, onAccepted } = this.#parts;
    if (configured !== undefined && configured !== moduleId) {
      const text = "module_id in the configuration is another";
      throw new Fault("module.command", text, { configured });
    }
    pin(ledger, { moduleId, matchingModuleId: "" });
    onAccepted(moduleId);
  }
}
