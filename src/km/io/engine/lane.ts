/**
 * What is asked for one after the other and becomes durable together: a cycle takes all that came since the one before
 * began. Lanes of one store do not wait for each other.
 */
import type { Cadence } from "./cadence.ts";

export interface LaneOptions<T> {
  readonly cadence: Cadence;
  /** Makes all of these durable, and tells so. */
  readonly cycle: (all: readonly T[]) => Promise<void>;
  /** A cycle failed: none follows. */
  readonly failed: (error: unknown) => void;
}

export class Lane<T> {
  readonly #options: LaneOptions<T>;
  #queue: T[] = [];
  #running: Promise<void> | undefined;
  #isOver = false;

  constructor(options: LaneOptions<T>) {
    this.#options = options;
  }

  get isIdle(): boolean {
    return this.#running === undefined;
  }

  /** @param isUrgent the next cycle begins at once */
  add(one: T, isUrgent: boolean): void {
    if (this.#isOver) return;
    this.#queue.push(one);
    if (isUrgent) this.#options.cadence.hurry();
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    const { cadence, cycle, failed } = this.#options;
    // What comes in the same turn shares the first sync.
    await null;
    while (this.#queue.length > 0 && !this.#isOver) {
      await cadence.next();
      const all = this.#queue;
      this.#queue = [];
      try {
        await cycle(all);
      } catch (error) {
        failed(error);
      }
    }
    this.#running = undefined;
  }

  /** Nothing more is made durable. */
  end(): void {
    this.#isOver = true;
  }

  /** The next cycle begins within so many ms of now, or as soon as anything is asked for. */
  hurry(ms: number): void {
    this.#options.cadence.hurry(ms);
  }

  /** What was asked for is done. */
  async drained(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }
}
