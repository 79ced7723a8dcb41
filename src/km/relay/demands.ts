/**
 * Relays that applications wait for. One whose application has gone is for the next question that it is enough for: who
 * asks again and again, while a KM on the way is slow, burns the pads of one relay and not of as many. After one failed the
 * next begins with a short relay: one that fails has burnt pads of all hops before. Pure.
 */
import type { IsWanted } from "../../base/wanted.ts";
import type { RelayEnd } from "./source.ts";

/** Demands at a time; bytes that they ask for; relays of one of them. */
const most = { demands: 256, bytes: 33_554_432, relays: 16 } as const;
/** Least bytes of a relay: both owners have half of what comes. */
export const leastDemand = 64;

interface DemandParts {
  /** KM ID. */
  readonly me: string;
  /** Bytes of one relay, at most. */
  batch(): number;
  /** @param done once */
  relay(length: number, done: (end: RelayEnd) => void): void;
}

interface Demand {
  /** Of the key that is asked for: so many are left of it for an application, at least. */
  readonly bytes: number;
  isWanted: IsWanted;
  done: (end: RelayEnd) => void;
}

export class Demands {
  readonly #parts: DemandParts;
  readonly #all = new Set<Demand>();
  #bytes = 0;
  /** A relay failed, and none went well since. */
  #hasFailed = false;

  constructor(parts: DemandParts) {
    this.#parts = parts;
  }

  /**
   * @param isWanted whether its application still waits
   * @param done once: undefined: the destination has it
   * @returns false: there are too many, and it is not called
   */
  ask(bytes: number, isWanted: IsWanted, done: (end: RelayEnd) => void): boolean {
    for (const one of this.#all) {
      if (one.bytes < bytes || one.isWanted()) continue;
      const gone = one.done;
      one.isWanted = isWanted;
      one.done = (end) => {
        // It was begun before: what failed then says little of now.
        const isOver = end === undefined || !isWanted() || !this.#begin(bytes, isWanted, done);
        if (isOver) done(end);
      };
      gone({ failure: "late", at: this.#parts.me });
      return true;
    }
    return this.#begin(bytes, isWanted, done);
  }

  #begin(bytes: number, isWanted: IsWanted, done: (end: RelayEnd) => void): boolean {
    const isFull = this.#all.size >= most.demands || this.#bytes + bytes > most.bytes;
    if (isFull) return false;
    const one: Demand = { bytes, isWanted, done };
    this.#all.add(one);
    this.#bytes += bytes;
    const over = (end: RelayEnd) => {
      this.#all.delete(one);
      this.#bytes -= bytes;
      one.done(end);
    };
    const probe = this.#hasFailed && 2 * bytes > leastDemand ? leastDemand : 0;
    const all = () => this.#relayAll(lengthsOf(2 * bytes - probe, this.#parts.batch()), over);
    if (probe === 0) all();
    else this.#relayAll([probe], (end) => (end === undefined ? all() : over(end)));
    return true;
  }

  #relayAll(lengths: readonly number[], done: (end: RelayEnd) => void): void {
    let left = lengths.length;
    let failed: RelayEnd;
    for (const length of lengths) {
      this.#parts.relay(length, (end) => {
        // One that is too long for an older KM says nothing of shorter ones.
        if (end?.failure !== "long") this.#hasFailed = end !== undefined;
        failed ??= end;
        left--;
        if (left === 0) done(failed);
      });
    }
  }
}

/** What is longer than one relay goes in several, together. */
function lengthsOf(bytes: number, batch: number): number[] {
  const lengths: number[] = [];
  for (let left = bytes; left > 0 && lengths.length < most.relays; ) {
    const length = Math.min(batch, Math.max(leastDemand, left));
    lengths.push(length);
    left -= length;
  }
  return lengths;
}
