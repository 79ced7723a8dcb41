/**
 * Tells how a block is cut into keys. That, and the pair of modules that its epoch is of, is on disk
 * before a key of it can leave: the keys' IDs follow from both.
 */

import { Queue } from "../../base/queue.ts";
import type { BlockRef, KeyBlock } from "../../port/key.ts";
import type { KeyFormat, Ledger, ModulePair, StretchFormat } from "../keys/ports.ts";
import { lastOfStretch } from "../ledger/key-formats.ts";
import { pairId } from "../ledger/pairs.ts";
import { defaultUnitBits } from "../on-request/unit-pieces.ts";
import type { CustodyOptions } from "./options.ts";
import type { KmName } from "./owners.ts";

/** So many blocks before a stretch begins its cut is recorded, that no block has to wait for the disk. */
const ahead = 16;

/** How blocks are cut by what is configured today. */
export function formatOf(
  { onRequest = false, keyBits }: Pick<CustodyOptions, "onRequest" | "keyBits">,
  [first, ...more]: readonly KmName[],
): StretchFormat {
  return {
    keyBits: onRequest ? (keyBits ?? defaultUnitBits) : keyBits,
    onRequest,
    // Where there are several KMs, whose a key is gets recorded key by key.
    claimant: more.length === 0 && !onRequest ? first?.claimants[0] : undefined,
  };
}

interface Waiting {
  readonly block: KeyBlock;
  readonly cut: KeyFormat;
  readonly then: (cut: KeyFormat) => void;
}

export class Formatter {
  readonly #cut: StretchFormat;
  readonly #ledger: Ledger;
  /** Blocks that wait for the disk, oldest first. */
  readonly #waiting = new Queue<Waiting>();
  /** Last blocks of the stretches whose cuts are recorded and not on disk yet. */
  #recorded: BlockRef[] = [];
  /** Epochs whose pairs are recorded and not on disk yet. */
  #paired: string[] = [];
  readonly #modules: () => ModulePair;

  /**
   * @param cut of blocks that were never cut before
   * @param modules the pair of an epoch that was never recorded before
   */
  constructor(cut: StretchFormat, modules: () => ModulePair, ledger: Ledger) {
    this.#cut = cut;
    this.#modules = modules;
    this.#ledger = ledger;
  }

  /** Calls `then`, in the order of the blocks, unless they are wiped before. */
  take(block: KeyBlock, then: (cut: KeyFormat) => void): void {
    const { epoch, number } = block.ref;
    this.pair(epoch);
    const cut = this.#keyFormatOf(block.ref);
    const next = { epoch, number: number + ahead };
    if (Number.isSafeInteger(lastOfStretch(next).number)) this.#keyFormatOf(next);
    if (this.#waiting.length === 0 && this.#onDisk(block.ref)) then(cut);
    else this.#waiting.push({ block, cut, then });
  }

  wipe(): void {
    for (const { block } of this.#waiting.clear()) block.wipe();
  }

  /** As it was recorded, which is done now if it never was. */
  #keyFormatOf(ref: BlockRef): KeyFormat {
    const known = this.#ledger.keyFormatOf(ref);
    if (known !== undefined) return known;
    const last = lastOfStretch(ref);
    this.#ledger.append({ kind: "cut", ref: last, ...this.#cut });
    this.#recorded.push(last);
    this.#ledger.whenDurable(() => {
      this.#recorded = this.#recorded.filter((one) => one !== last);
      this.#go();
    });
    return this.#cut;
  }

  /** Records whose the blocks of the epoch are, unless that is known: before anything else is said of one. */
  pair(epoch: string): void {
    if (this.#ledger.pairOf(epoch) !== undefined) return;
    const pair = this.#modules();
    for (const entry of this.#ledger.namingOf(pair)) this.#ledger.append(entry);
    this.#ledger.append({ kind: "paired", ref: { epoch, number: 0 }, id: pairId(pair) });
    this.#paired.push(epoch);
    this.#ledger.whenDurable(() => {
      this.#paired = this.#paired.filter((one) => one !== epoch);
      this.#go();
    });
  }

  #onDisk(ref: BlockRef): boolean {
    if (this.#paired.includes(ref.epoch)) return false;
    if (this.#recorded.length === 0) return true;
    const { epoch, number } = lastOfStretch(ref);
    return !this.#recorded.some((one) => one.number === number && one.epoch === epoch);
  }

  #go(): void {
    for (let next = this.#waiting.first; next !== undefined; next = this.#waiting.first) {
      if (!this.#onDisk(next.block.ref)) return;
      this.#waiting.shift();
      next.then(next.cut);
    }
  }
}
