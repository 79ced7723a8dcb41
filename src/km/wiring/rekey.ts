/** An order to give the store another master key: on record before it is done, and when it is done. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Engine } from "../io/engine/engine.ts";
import {
  type MasterKeyConfig,
  type MasterKeyFrom,
  nextMasterKey,
} from "../io/master-key-source.ts";
import type { MasterKeyStatus, Rekeyed } from "../model/status.ts";

export interface RekeyParts {
  readonly config: MasterKeyConfig;
  readonly store: Pick<Engine, "rekey" | "resealingBytes">;
  readonly records: {
    rekey(state: "ordered" | "begun" | "done", from: MasterKeyFrom, by?: string): Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Log;
}

export class MasterKeyOfStore {
  readonly #parts: RekeyParts;
  #from: MasterKeyFrom;

  constructor(parts: RekeyParts, from: MasterKeyFrom) {
    this.#parts = parts;
    this.#from = from;
    if (from === "next_file") {
      parts.log.warn(
        "the store has the key of master_key_next_file: put it in place of master_key_file",
      );
    }
  }

  status(): MasterKeyStatus {
    const { resealingBytes } = this.#parts.store;
    return {
      from: this.#from,
      ...(resealingBytes !== undefined && { resealing_bytes: resealingBytes }),
    };
  }

  /**
   * Resolves when the store has the new master key, durably.
   * @param by who ordered it
   * @throws Fault: then the store has the one of before
   */
  async rekey(by: string): Promise<Rekeyed> {
    const { config, store, records, clock, log } = this.#parts;
    if (store.resealingBytes !== undefined) {
      throw new Fault("km_store.busy", "the store is being sealed anew for its last master key");
    }
    const next = await nextMasterKey(config, clock);
    const { from } = next;
    let left = 0;
    try {
      await records.rekey("ordered", from, by);
      await store.rekey(next.key);
      left = store.resealingBytes ?? 0;
      await next.settle();
    } finally {
      next.key.fill(0);
    }
    this.#from = from;
    log.warn("the store has another master key, by an order", { from, by });
    await records.rekey("begun", from, by).catch((error) => log.error(describe(error)));
    return { from, resealing_bytes: left };
  }

  /** All is sealed anew: the master key of before opens nothing. */
  done(): void {
    const { records, log } = this.#parts;
    log.info("all of the store is sealed anew for its master key");
    records.rekey("done", this.#from).catch((error) => log.error(describe(error)));
  }
}
