/** An order to give the store another master key: on record before it is done, and when it is done. */
import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LocalError } from "../../ops/local/protocol.ts";
import type { Engine } from "../io/engine/engine.ts";
import {
  type MasterKey,
  type MasterKeyConfig,
  type MasterKeyFrom,
  type MasterKeyMachine,
  type NextMasterKey,
  nextMasterKey,
} from "../io/master-key-source.ts";
import type { MasterKeyStatus, Rekeyed } from "../model/status.ts";
import type { NextStart } from "./next-start.ts";

export interface RekeyParts {
  readonly config: MasterKeyConfig;
  readonly store: Pick<Engine, "rekey" | "resealingBytes">;
  readonly records: {
    rekey(state: "ordered" | "begun" | "done", from: MasterKeyFrom, by?: string): Promise<void>;
  };
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the next start would have the key: looked at after each order, too. */
  readonly nextStart?: Pick<NextStart, "status" | "look">;
  /** Default: this machine. */
  readonly machine?: Partial<MasterKeyMachine>;
}

/** What the store throws before it changes anything. */
const refusals: readonly unknown[] = ["km_store.key", "km_store.busy"];

export class MasterKeyOfStore {
  readonly #parts: RekeyParts;
  #from: MasterKeyFrom;
  /** Puts the wrapped key that the store has in its place: not done yet. */
  #unsettled: (() => Promise<void>) | undefined;

  /** @param found what opened the store; it is not settled yet */
  constructor(parts: RekeyParts, { from, settle }: Pick<MasterKey, "from" | "settle">) {
    this.#parts = parts;
    this.#from = from;
    this.#unsettled = settle;
    if (from === "next_file") {
      parts.log.warn(
        "the store has the key of master_key_next_file: put it in place of master_key_file",
      );
    }
  }

  /** After a start. A disk that refuses it stops nothing: both wrapped keys stay, and it is tried again. */
  async settle(): Promise<void> {
    try {
      await this.#settle();
    } catch (error) {
      this.#parts.log.error(`both wrapped master keys are left, keep them: ${describe(error)}`);
    }
  }

  async #settle(): Promise<void> {
    await this.#unsettled?.();
    this.#unsettled = undefined;
  }

  status(): MasterKeyStatus {
    const { resealingBytes } = this.#parts.store;
    const next_start = this.#parts.nextStart?.status ?? {};
    return {
      from: this.#from,
      ...(Object.keys(next_start).length > 0 && { next_start }),
      ...(resealingBytes !== undefined && { resealing_bytes: resealingBytes }),
    };
  }

  /**
   * Resolves when the store has the new master key, durably.
   * @param by who ordered it
   * @throws Fault: then the store has the one of before; LocalError `io`: it has the new one, or may have it, and the
   *   message says where that is
   */
  async rekey(by: string): Promise<Rekeyed> {
    const { config, store, clock, machine } = this.#parts;
    if (store.resealingBytes !== undefined) {
      throw new Fault("km_store.busy", "the store is being sealed anew for its last master key");
    }
    await this.#settleLast();
    const next = await nextMasterKey(config, clock, machine);
    try {
      return await this.#give(next, by);
    } finally {
      next.key.fill(0);
      void this.#parts.nextStart?.look();
    }
  }

  /** What alone opens the store may be in the file that the next one is to be written to. @throws Fault `hsm.io` */
  async #settleLast(): Promise<void> {
    // From a file the store gets a key whatever is wrapped beside it.
    if (this.#parts.config.store.master_key_next_file !== undefined) return;
    try {
      await this.#settle();
    } catch (error) {
      const what = "the wrapped master key of the last re-key is not in its place yet";
      throw new Fault("hsm.io", what, error instanceof Fault ? error.facts : {});
    }
  }

  /** @throws as {@link rekey} */
  async #give(next: NextMasterKey, by: string): Promise<Rekeyed> {
    const { store, records, log } = this.#parts;
    const { from, file } = next;
    let isBegun = false;
    try {
      await records.rekey("ordered", from, by);
      isBegun = true;
      await store.rekey(next.key);
    } catch (error) {
      const code = error instanceof Fault ? error.code : undefined;
      if (isBegun && !refusals.includes(code)) {
        const text = `the store has the new master key or the one of before: keep ${file}, and what it had`;
        throw new LocalError("io", `${text}: ${describe(error)}`);
      }
      await next.drop().catch((why) => log.warn(describe(why)));
      throw error;
    }
    const left = store.resealingBytes ?? 0;
    this.#from = from;
    this.#unsettled = next.settle;
    log.warn("the store has another master key, by an order", { from, by });
    await records.rekey("begun", from, by).catch((error) => log.error(describe(error)));
    try {
      await this.#settle();
    } catch (error) {
      const what = `the store has the new master key, which may be in ${file} alone: keep that file`;
      const text = `${what}; the next start or re-key puts it in its place: ${describe(error)}`;
      log.error(text);
      throw new LocalError("io", text);
    }
    return { from, resealing_bytes: left };
  }

  /** All is sealed anew: the master key of before opens nothing. */
  done(): void {
    const { records, log } = this.#parts;
    log.info("all of the store is sealed anew for its master key");
    records.rekey("done", this.#from).catch((error) => log.error(describe(error)));
  }
}
