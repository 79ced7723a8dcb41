/**
 * How fast what clients send is read: each may send so much at once, and then so much a second. What is beyond that
 * waits at the client, unread, and costs no other anything.
 */
import type { Clock } from "../../base/clock.ts";

export interface ReadingRules {
  /** Bytes that one may send at once, and then in a second. */
  readonly burst: number;
  readonly perSecond: number;
  /** Those that send more get as much together as so many may have. */
  readonly together: number;
}

/** Told no more often than this that one sends more than it may, ms. */
const toldMs = 3_600_000;
/** When so many are known, those that sent little of late are forgotten. */
const mostKnown = 2_048;

export class ReadingPaces {
  readonly #rules: ReadingRules;
  readonly #clock: Pick<Clock, "now">;
  readonly #onOver: (name: string) => void;
  readonly #paces = new Map<string, ReadingPace>();

  /** @param onOver is told who sends more than it may: once an hour */
  constructor(rules: ReadingRules, clock: Pick<Clock, "now">, onOver: (name: string) => void) {
    this.#rules = rules;
    this.#clock = clock;
    this.#onOver = onOver;
  }

  /** The pace of one client, whatever connections it has. */
  of(name: string): ReadingPace {
    const known = this.#paces.get(name);
    if (known !== undefined) return known;
    if (this.#paces.size >= mostKnown) this.#sweep();
    const pace = new ReadingPace(this.#rules, {
      now: () => this.#clock.now(),
      busy: () => this.#busy(),
      onOver: () => this.#onOver(name),
    });
    this.#paces.set(name, pace);
    return pace;
  }

  #busy(): number {
    let busy = 0;
    for (const pace of this.#paces.values()) if (pace.isBusy) busy++;
    return busy;
  }

  #sweep(): void {
    for (const [name, pace] of this.#paces) if (pace.isFull) this.#paces.delete(name);
  }
}

interface PaceParts {
  readonly now: () => number;
  /** How many sent much of late. */
  readonly busy: () => number;
  readonly onOver: () => void;
}

export class ReadingPace {
  readonly #rules: ReadingRules;
  readonly #parts: PaceParts;
  #left: number;
  #at: number;
  /** Part of its bytes a second that it gets, while others send too much as well. */
  #part = 1;
  #toldAt = Number.NEGATIVE_INFINITY;

  constructor(rules: ReadingRules, parts: PaceParts) {
    this.#rules = rules;
    this.#parts = parts;
    this.#left = rules.burst;
    this.#at = parts.now();
  }

  /** It sent much of late: one that is read at its pace is always one of these. */
  get isBusy(): boolean {
    this.#refill();
    return this.#left < this.#rules.burst / 2;
  }

  /** It sent little of late. */
  get isFull(): boolean {
    this.#refill();
    return this.#left >= this.#rules.burst;
  }

  /** So many bytes of it were read. @returns how long nothing more of it is to be read, ms */
  take(bytes: number): number {
    this.#refill();
    this.#left -= bytes;
    if (this.#left >= 0) return 0;
    const { together, perSecond } = this.#rules;
    this.#part = Math.min(1, together / this.#parts.busy());
    const now = this.#parts.now();
    if (now - this.#toldAt >= toldMs) {
      this.#toldAt = now;
      this.#parts.onOver();
    }
    return (-this.#left * 1_000) / (perSecond * this.#part);
  }

  #refill(): void {
    const { burst, perSecond } = this.#rules;
    const now = this.#parts.now();
    const more = ((now - this.#at) * perSecond * this.#part) / 1_000;
    this.#left = Math.min(burst, this.#left + more);
    this.#at = now;
    if (this.#left >= 0) this.#part = 1;
  }
}
