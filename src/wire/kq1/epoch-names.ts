/**
 * Which two modules a key is said to be of: those that its epoch was recorded for, from which its ID
 * follows as well. A module that was paired anew may still hold keys that it shares with the other
 * one. Pure.
 */
import type { ModulePair } from "../../port/module.ts";

/** The pair that an epoch is recorded for; undefined if none is. */
export type PairOf = (epoch: string) => ModulePair | undefined;

export class EpochNames {
  readonly #now: ModulePair;
  readonly #pairOf: PairOf | undefined;

  /** @param now the pair of today, of an epoch for which none is recorded */
  constructor(now: ModulePair, pairOf: PairOf | undefined) {
    this.#now = now;
    this.#pairOf = pairOf;
  }

  of(epoch: string): ModulePair {
    return this.#pairOf?.(epoch) ?? this.#now;
  }
}
