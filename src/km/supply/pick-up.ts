/**
 * Since when bound keys wait for their applications, and which have waited too long: found without a look at the
 * others, of which there may be hundreds of thousands. Each costs a place in a queue and no more. Pure.
 */

import { togetherOf } from "../store/key-run.ts";
import type { Together, Use } from "../store/shapes.ts";

/** As much of a key as this needs, or of several that are alike: they begin together, and each ends for itself. */
export interface Waiting {
  /** KSA-key ID. */
  readonly id: string;
  readonly count: number;
  /** How long it may wait, s. */
  readonly pickUp: number;
  /** When it began to wait, monotonic ms; undefined while it does not. Nothing else changes it. */
  since?: number | undefined;
  /** What waits in its place, if it is several, or was one of them as they began. */
  run?: Together | undefined;
}

/** Below so many places nothing is gained by putting a queue in order. */
const few = 1_024;

/** Keys that may wait equally long; who began first in front. */
class Queue {
  #keys: Waiting[] = [];
  #since: number[] = [];
  #head = 0;
  /** Keys in it that wait. */
  live = 0;

  push(key: Waiting, now: number): void {
    if (this.#keys.length - this.#head > few + 2 * this.live) this.#sweep();
    this.#keys.push(key);
    this.#since.push(now);
  }

  /** Who waits longest, and since when; places of those who have begun anew, or wait no more, are passed over. */
  *all(): Generator<readonly [Waiting, number]> {
    for (; this.#isStale(this.#head); this.#head++);
    for (let i = this.#head; i < this.#keys.length; i++) {
      if (!this.#isStale(i)) yield [this.#keys[i] as Waiting, this.#since[i] as number];
    }
  }

  #isStale(i: number): boolean {
    return i < this.#keys.length && this.#keys[i]?.since !== this.#since[i];
  }

  #sweep(): void {
    const kept = [...this.all()];
    this.#keys = kept.map(([key]) => key);
    this.#since = kept.map(([, since]) => since);
    this.#head = 0;
  }
}

export class PickUp {
  /** By how long they may wait, s. */
  readonly #queues = new Map<number, Queue>();

  /**
   * Those of these that are bound here to applications wait from now on. One that was prepared for none yet is not late: its
   * owner holds it, and would prepare the next, so that keys that no application asked for were used up all the time.
   */
  beginAll(uses: Iterable<Use>, now: number): void {
    for (const use of uses) {
      if (!use.owner && use.state === "B" && use.request !== undefined) this.begin(use, now);
    }
  }

  /** A key waits from now on, also if it waited before; several wait together. @param now monotonic, ms */
  begin(entry: Waiting, now: number): void {
    if (entry.count === 1) {
      // It waited with others, and has a time of its own from now on.
      if (entry.since === undefined) this.#leave(entry.run);
      return this.#begin(entry, now);
    }
    const run = togetherOf(entry);
    run.left = entry.count;
    this.#begin(run, now);
  }

  #begin(key: Waiting, now: number): void {
    const known = this.#queues.get(key.pickUp);
    const queue = known ?? new Queue();
    if (known === undefined) this.#queues.set(key.pickUp, queue);
    if (key.since === now) return;
    if (key.since === undefined) queue.live++;
    key.since = now;
    queue.push(key, now);
  }

  /** @param key itself, or what {@link late} tells of: all of it ends then */
  end(key: Waiting): void {
    if (key.since === undefined) this.#leave(key.run);
    else this.#end(key);
  }

  /** One of several waits no more. */
  #leave(run: Together | undefined): void {
    if (run?.since === undefined || run.left === undefined) return;
    run.left--;
    if (run.left === 0) this.#end(run);
  }

  #end(key: Waiting): void {
    key.since = undefined;
    const queue = this.#queues.get(key.pickUp);
    if (queue !== undefined && --queue.live === 0) this.#queues.delete(key.pickUp);
  }

  isLate({ since: own, pickUp, run }: Waiting, now: number): boolean {
    const since = own ?? run?.since;
    return since !== undefined && now - since >= pickUp * 1_000;
  }

  /** Keys that have waited too long, several in one where they began together; any may be ended meanwhile. */
  *late(now: number): Generator<Waiting> {
    for (const [pickUp, queue] of this.#queues) {
      for (const [key, since] of queue.all()) {
        if (now - since < pickUp * 1_000) break;
        yield key;
      }
    }
  }
}
