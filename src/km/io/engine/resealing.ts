/**
 * After the store got another master key: what is under an older key of the store is sealed anew, piece by piece,
 * while the store is used. A start in the middle of it goes on. At its end the older keys are forgotten.
 */
import type { Timer } from "../../../base/clock.ts";
import { Fault } from "../../../base/errors.ts";
import { noChange } from "./books-change.ts";
import { rowOfStore } from "./books-of.ts";
import type { EngineParts } from "./parts.ts";
import { isFull } from "./reserve.ts";

/** Between two pieces there is as much time for others as the last one took, and at least this, ms. */
const leastPauseMs = 5;
/** A disk that is full, or does not give what is to be sealed anew, is tried again after this, ms. */
const diskPauseMs = 10_000;

export interface ResealingHost {
  /** Runs it beside all else, and alone of its kind. */
  work(run: () => Promise<void>): void;
  /** Runs it between two syncs: nothing else is written meanwhile. @returns what it returns, or throws */
  between<T>(run: () => Promise<T>): Promise<T>;
  /**
   * Seals a piece anew. @returns whether there may be more; "later": the disk does not give what is left now
   * @throws a system error of a full disk
   */
  piece(): Promise<boolean | "later">;
  /** Nothing is left. */
  done(): void;
}

export class Resealing {
  readonly #parts: EngineParts;
  readonly #host: ResealingHost;
  #timer: Timer | undefined;
  #isRunning = false;
  #isStopped = false;
  /** The books have the newest key. */
  #isTold = false;

  constructor(parts: EngineParts, host: ResealingHost) {
    this.#parts = parts;
    this.#host = host;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** Bytes that are still under an older key. */
  get bytesLeft(): number {
    if (!this.#isRunning) return 0;
    return this.#parts.volumes.olderBytes() + this.#parts.intake.olderBytes();
  }

  /** Goes on where an earlier process was, if it was in the middle of it. */
  resume(): void {
    if (this.#parts.keyring.hasOlder) this.#start();
  }

  /**
   * Another master key. Resolves when the new one opens the store and the old one does not, durably; the rest
   * follows by itself.
   * @throws Fault `km_store.key`, `km_store.busy`
   */
  async rekey(masterKey: Uint8Array): Promise<void> {
    const { keyring, reserve } = this.#parts;
    if (this.#isRunning) {
      throw new Fault("km_store.busy", "the store is being sealed anew for its last master key");
    }
    if (keyring.isOf(masterKey)) {
      throw new Fault("km_store.key", "the store has this master key already");
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#isRunning = true;
    this.#isTold = false;
    // Between two syncs: what is sealed by a key that is not on the disk yet would be lost with it. And with nothing
    // sealed anew beside it: that would be under the older key, and be there after it is forgotten.
    this.#host.work(async () => {
      await this.#host.between(() => reserve.use(() => keyring.rekey(masterKey)));
      this.#start();
      resolve();
    });
    await promise;
  }

  #start(): void {
    this.#isRunning = true;
    this.#next(leastPauseMs);
  }

  #next(pauseMs: number): void {
    if (this.#isStopped) return;
    this.#timer = this.#parts.clock.after(pauseMs, () => this.#host.work(() => this.#piece()));
  }

  async #piece(): Promise<void> {
    if (this.#isStopped) return;
    const begun = this.#parts.clock.now();
    try {
      await this.#tell();
      const more = await this.#host.piece();
      if (more === false) return await this.#end();
      if (more === "later") return this.#next(diskPauseMs);
    } catch (error) {
      if (!isFull(error)) throw error;
      // Supply goes on: what is used makes room.
      return this.#next(diskPauseMs);
    }
    this.#next(Math.max(leastPauseMs, this.#parts.clock.now() - begun));
  }

  /** Before anything is sealed anew: an older file with the store's keys, which would not open it, is known as such. */
  async #tell(): Promise<void> {
    if (this.#isTold) return;
    const { keyring, ledger, reserve } = this.#parts;
    const change = { ...noChange, consumed: [rowOfStore(keyring)] };
    await this.#host.between(() => reserve.use(() => ledger.apply(change)));
    this.#isTold = true;
  }

  async #end(): Promise<void> {
    const { intake, keyring, reserve } = this.#parts;
    await intake.removeDamaged();
    await this.#host.between(() => reserve.use(() => keyring.dropOlder()));
    this.#isRunning = false;
    this.#host.done();
  }

  /** The next start goes on. */
  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
  }
}
