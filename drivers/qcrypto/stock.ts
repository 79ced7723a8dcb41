/**
 * What is known of the blocks in the final-key folder, and which of them may be offered next. Pure:
 * the session does the reading, and passes in the time.
 */
import type { Notification } from "./notification.ts";

/** Notifications that are remembered; those of the other blocks are in the journal alone. */
const maxNotifications = 16_384;

/**
 * What the stack said of its blocks; outlives the session, since a pipe says it once. Bounded: what came
 * first is kept, since the oldest blocks are offered first.
 */
export class Told {
  readonly #byEpoch = new Map<number, Notification>();
  readonly #most: number;
  /** There was more than is remembered. */
  spilled = false;

  /** @param most notifications that are remembered */
  constructor(most = maxNotifications) {
    this.#most = most;
  }

  /** Whether it says more of its block than is known, or something else. */
  isNews({ epoch, qber, siftedBits, finalBits }: Notification): boolean {
    const known = this.#byEpoch.get(epoch);
    if (known === undefined) return true;
    // Announced twice after a restart of the stack: what tells more is kept.
    if (known.qber !== undefined && qber === undefined) return false;
    return known.qber !== qber || known.siftedBits !== siftedBits || known.finalBits !== finalBits;
  }

  add(notification: Notification): void {
    const { epoch } = notification;
    if (!this.isNews(notification)) return;
    if (this.full && !this.#byEpoch.has(epoch)) this.spilled = true;
    else this.#byEpoch.set(epoch, notification);
  }

  get(epoch: number): Notification | undefined {
    return this.#byEpoch.get(epoch);
  }

  forget(epoch: number): void {
    this.#byEpoch.delete(epoch);
  }

  get full(): boolean {
    return this.#byEpoch.size >= this.#most;
  }

  epochs(): Iterable<number> {
    return this.#byEpoch.keys();
  }
}

/** A file that could not be opened is tried again after this, ms. */
const closedWait = 5_000;
/** Blocks that wait to be offered; more wait in the folder until some of these were. */
const maxWaiting = 4_096;
/**
 * Blocks that are known, with those that were offered and stay: custody closes a module of which it keeps back half
 * as many.
 */
const maxBlocks = 65_536;

export interface StockTimes {
  /** How long a block waits for its notification, ms: the quality gate wants its QBER. */
  readonly notificationWait: number;
  /** How long an incomplete file may stay so, ms. */
  readonly incompleteWait: number;
}

export interface Candidate {
  readonly epoch: number;
  /** When it was first seen, by the monotonic clock, ms. */
  readonly seenAt: number;
  /** `closed`: its file cannot be opened; it is looked at again. */
  state: "waiting" | "closed" | "offered" | "bad" | "reused";
  /** When it was found closed last, by the monotonic clock, ms. */
  closedAt: number;
  /** Key bits, once its header was read. */
  bits: number | undefined;
  /** What the journal says of it, where that is not remembered. */
  said: Notification | undefined;
  /** The journal was asked. */
  sought: boolean;
  /** It was offered without a QBER. */
  unmeasured: boolean;
  /** Of its content, once it was offered. */
  digest: Buffer | undefined;
  /** Of its file, once it was offered. */
  stamp: string | undefined;
}

export class Stock {
  readonly #times: StockTimes;
  /** Oldest first. */
  #blocks: Candidate[] = [];
  readonly #byEpoch = new Map<number, Candidate>();
  readonly #told: Told;

  constructor(times: StockTimes, told: Told) {
    this.#times = times;
    this.#told = told;
  }

  get size(): number {
    return this.#byEpoch.size;
  }

  /** Key bits in the folder, as far as known. */
  get bits(): number {
    return this.#blocks.reduce((sum, { bits }) => sum + (bits ?? 0), 0);
  }

  /** Takes what is in the folder now: new blocks join, blocks that are gone leave. */
  scanned(epochs: readonly number[], now: number): void {
    const there = new Set(epochs);
    this.#leave((epoch) => !there.has(epoch));
    // What is kept back stays in the folder: it must not take the places of what is to come.
    let room = maxWaiting - this.#blocks.filter(({ state }) => state === "waiting").length;
    let added = false;
    for (const epoch of [...there].sort((a, b) => a - b)) {
      if (this.#byEpoch.has(epoch)) continue;
      if (room <= 0 || this.#blocks.length >= maxBlocks) break;
      room--;
      const block: Candidate = {
        epoch,
        seenAt: now,
        state: "waiting",
        closedAt: 0,
        bits: undefined,
        said: undefined,
        sought: false,
        unmeasured: false,
        digest: undefined,
        stamp: undefined,
      };
      this.#byEpoch.set(epoch, block);
      this.#blocks.push(block);
      added = true;
    }
    if (added) this.#blocks.sort((a, b) => a.epoch - b.epoch);
  }

  /** The block is no more. */
  removed(epoch: number): void {
    if (!this.#byEpoch.has(epoch)) return;
    this.#told.forget(epoch);
    this.missed(epoch);
  }

  /** The file is not there just now; it may be with all others on a disk that comes back. */
  missed(epoch: number): void {
    if (!this.#byEpoch.delete(epoch)) return;
    this.#blocks = this.#blocks.filter((block) => block.epoch !== epoch);
  }

  /** These blocks are no more. */
  #leave(isGone: (epoch: number) => boolean): void {
    const gone = this.#blocks.filter(({ epoch }) => isGone(epoch));
    if (gone.length === 0) return;
    for (const { epoch } of gone) {
      this.#told.forget(epoch);
      this.#byEpoch.delete(epoch);
    }
    this.#blocks = this.#blocks.filter(({ epoch }) => !isGone(epoch));
  }

  /** What the stack said of a block. */
  said(block: Candidate): Notification | undefined {
    return this.#told.get(block.epoch) ?? block.said;
  }

  /** Blocks of which nothing is remembered, and the journal was not asked. */
  unsought(): Candidate[] {
    return this.#blocks.filter((block) => !block.sought && this.said(block) === undefined);
  }

  /** Of some blocks the files were not read yet. */
  get anyWaiting(): boolean {
    return this.#blocks.some(({ state }) => state === "waiting");
  }

  /** Whether a block is there that has the name of one that was let go of. */
  get anyReused(): boolean {
    return this.#blocks.some(({ state }) => state === "reused");
  }

  /** Blocks whose files cannot be opened. */
  get closed(): readonly Candidate[] {
    return this.#blocks.filter(({ state }) => state === "closed");
  }

  get(epoch: number): Candidate | undefined {
    return this.#byEpoch.get(epoch);
  }

  /**
   * The oldest block that was not offered.
   * @returns undefined if there is none, or if it still waits for its notification
   */
  next(now: number): Candidate | undefined {
    const isDue = ({ state, closedAt }: Candidate) =>
      state === "waiting" || (state === "closed" && now - closedAt >= closedWait);
    const block = this.#blocks.find(isDue);
    if (block === undefined) return undefined;
    const waited = now - block.seenAt;
    const ready = this.said(block) !== undefined || waited >= this.#times.notificationWait;
    return ready ? block : undefined;
  }

  /** Whether an incomplete file may still be being written. */
  mayGrow(block: Candidate, now: number): boolean {
    return now - block.seenAt < this.#times.incompleteWait;
  }
}
