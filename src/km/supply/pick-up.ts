/**
 * Since when bound keys wait for their applications, and which have waited too long: found without a look at the
 * others, of which there may be hundreds of thousands. Each costs a place in a queue and no more. Pure.
 */

/** As much of a key as this needs, or of several that are alike: they begin together, and each ends for itself. */
export interface Waiting {
  /** KSA-key ID. */
  readonly id: string;
  readonly count: number;
  /** How long it may wait, s. */
  readonly pickUp: number;
  /** When it began to wait, monotonic ms; undefined while it does not. Nothing else changes it. */
  since?: number | undefined;
  /** Of several: those that still wait. */
  left?: number;
  /** What began in its place, if it was one of several then. */
  readonly run?: Waiting | undefined;
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

  /** A key waits from now on, also if it waited before. @param now monotonic, ms */
  begin(key: Waiting, now: number): void {
    const known = this.#queues.get(key.pickUp);
    const queue = known ?? new Queue();
    if (known === undefined) this.#queues.set(key.pickUp, queue);
    if (key.since === now) return;
    if (key.since === undefined) queue.live++;
    key.since = now;
    if (key.count > 1) key.left = key.count;
    queue.push(key, now);
  }

  end(key: Waiting): void {
    if (key.since === undefined) {
      const { run } = key;
      if (run?.left !== undefined && --run.left === 0) this.end(run);
      return;
    }
    key.since = undefined;
    const queue = this.#queues.get(key.pickUp);
    if (queue !== undefined && --queue.live === 0) this.#queues.delete(key.pickUp);
  }

  isLate({ since: own, pickUp, run }: Waiting, now: number): boolean {
    const since = own ?? run?.since;
    return since !== undefined && now - since >= pickUp * 1_000;
  }

  /** Keys that have waited too long; any may be ended meanwhile. */
  *late(now: number): Generator<Waiting> {
    for (const [pickUp, queue] of this.#queues) {
      for (const [key, since] of queue.all()) {
        if (now - since < pickUp * 1_000) break;
        yield key;
      }
    }
  }
}
