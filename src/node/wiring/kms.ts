/** The KMs' identities, remembered in the node's small state. */

import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { KmConfig, ModuleConfig } from "../config/tables.ts";
import { accept, type KnownKm, nameOfClaimant, recognise } from "../custody/km-identity.ts";
import type { KmName } from "../custody/owners.ts";
import type { StateStore } from "../state/store.ts";

/** What a KM proves by its certificate, and where: for people, and to be compared. */
export function provenBy({ host, port, server_name, transport }: KmConfig): string {
  if (transport === "plain") return `nothing (plain) at ${host}:${port}`;
  const name = server_name ?? host;
  return name === host ? name : `${name} at ${host}`;
}

export class Kms {
  readonly #state: StateStore;

  private constructor(state: StateStore) {
    this.#state = state;
  }

  /**
   * Recognises every KM of the configuration; what is new is on disk when it resolves.
   * @throws Fault `state.io`
   */
  static async open(
    modules: readonly Pick<ModuleConfig, "kms">[],
    state: StateStore,
    log: Log,
  ): Promise<Kms> {
    const kms = new Kms(state);
    const found: Record<string, KnownKm> = {};
    for (const km of modules.flatMap((module) => module.kms)) {
      const known = kms.#known[km.name];
      const now = recognise(known, km.name, provenBy(km), state.data.kms_lost);
      if (now === known) continue;
      found[km.name] = now;
      const before = known?.proven ?? now.former[0]?.proven;
      if (before === undefined) continue;
      const facts = { km: km.name, before, now: now.proven };
      log.warn("KM is another than before: keys that may be with the other wait", facts);
    }
    if (Object.keys(found).length > 0) {
      await state.change((data) => {
        data.kms = { ...data.kms, ...found };
      });
    }
    return kms;
  }

  get #known(): Readonly<Record<string, KnownKm>> {
    return this.#state.data.kms ?? {};
  }

  /** What stands for a KM in the ledgers. */
  nameOf(km: string): KmName {
    const known = this.#known[km];
    if (known === undefined) throw new Fault("config.value", "no such KM", { km });
    return { name: km, claimants: [known.slot, ...known.same] };
  }

  /** What stands for a KM, configured or not; and for those that it was before. */
  claimantsOf(km: string): { readonly now: readonly string[]; readonly former: readonly string[] } {
    const known = this.#known[km];
    if (known === undefined) return { now: [], former: [] };
    return {
      now: [known.slot, ...known.same],
      former: known.former.map(({ slot }) => slot),
    };
  }

  /** How people know a KM that keys wait for; undefined: what it stands for is no KM that was ever configured. */
  named(claimant: string): string | undefined {
    return nameOfClaimant(this.#known, claimant);
  }

  /**
   * An operator's word that the KM is the one that it was before. On disk when it resolves.
   * @throws Fault `module.command` if it never was another, `state.io`
   */
  async accept(km: string): Promise<KmName> {
    const known = this.#known[km];
    // Said again, it is only written again: what could not be written the first time is in memory.
    if (known === undefined || (known.former.length === 0 && known.same.length === 0)) {
      throw new Fault("module.command", "the KM was never another one", { km });
    }
    await this.#state.change((data) => {
      data.kms = { ...data.kms, [km]: accept(known) };
    });
    return this.nameOf(km);
  }
}
