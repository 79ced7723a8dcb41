/**
 * Recent events, for the page and the command line. The
 * manager has its own, durable one. Pure, and of bounded size.
 */
import type { NodeEvent } from "./event.ts";

/** An event with its place in the order of this process, from 1 on. */
export interface PastEvent extends NodeEvent {
  readonly sequence: number;
}

/** The last `limit` items, oldest first. */
class Ring {
  readonly #limit: number;
  readonly #items: PastEvent[] = [];
  #next = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  add(item: PastEvent): void {
    this.#items[this.#next] = item;
    this.#next = (this.#next + 1) % this.#limit;
  }

  get list(): PastEvent[] {
    return [...this.#items.slice(this.#next), ...this.#items.slice(0, this.#next)];
  }
}

export class EventHistory {
  readonly #rare: Ring;
  /** Apart from the others: a bad link's blocks must not push out why it is bad. */
  readonly #routine: Ring;
  #sequence = 0;

  /** @param limit most events that are kept, and most routine ones beside them; at least 1 */
  constructor(limit = 512) {
    this.#rare = new Ring(limit);
    this.#routine = new Ring(limit);
  }

  /** How many events there were since the process began. */
  get sequence(): number {
    return this.#sequence;
  }

  add(event: NodeEvent): void {
    this.#sequence++;
    const ring = event.routine === true ? this.#routine : this.#rare;
    ring.add({ ...event, sequence: this.#sequence });
  }

  /** The last `n` events that are still known, oldest first. */
  recent(n: number): readonly PastEvent[] {
    const all = [...this.#rare.list, ...this.#routine.list];
    return all.sort((a, b) => a.sequence - b.sequence).slice(Math.max(0, all.length - n));
  }

  /** Events after the one of this sequence that are still known, oldest first. */
  after(sequence: number): readonly PastEvent[] {
    if (sequence >= this.#sequence) return [];
    return this.recent(Number.MAX_SAFE_INTEGER).filter((event) => event.sequence > sequence);
  }
}
