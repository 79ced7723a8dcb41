/** Watches how full the disk with the node's state is: each second, and by what fails to be written. */

import type { Clock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

export interface DiskWatchParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Free part of the state's disk, 0 to 1. @throws what the disk says */
  readonly free: () => Promise<number>;
}

/** Also where quotas leave no room on a disk that has some. */
const fullCodes: readonly unknown[] = ["ENOSPC", "EDQUOT"];

/** Who is told how full it is. */
export interface StorageRules {
  /** @param free part of the disk, 0 to 1 @param moment monotonic and by the wall, ms */
  storage(free: number, moment: { readonly now: number; readonly wall: number }): void;
}

export class DiskWatch {
  readonly #parts: DiskWatchParts;
  readonly #rules: StorageRules;
  /** Files that found no room when they were written last. */
  readonly #refused = new Set<string>();
  #looking = false;
  #failed = false;

  constructor(parts: DiskWatchParts, rules: StorageRules) {
    this.#parts = parts;
    this.#rules = rules;
  }

  /** @param trouble why a file of the state cannot be written; undefined: it can */
  wrote(file: string, trouble: Error | undefined): void {
    const isFull = trouble instanceof Fault && fullCodes.includes(trouble.facts.code);
    if (!isFull) this.#refused.delete(file);
    else if (!this.#refused.has(file)) {
      this.#refused.add(file);
      this.#tell(0);
    }
  }

  /** Never rejects. A disk that hangs is asked once. */
  async look(): Promise<void> {
    if (this.#looking) return;
    this.#looking = true;
    try {
      const free = await this.#parts.free();
      this.#tell(this.#refused.size > 0 ? 0 : free);
      this.#failed = false;
    } catch (error) {
      if (!this.#failed) {
        this.#parts.log.warn("cannot tell how full the disk is", { why: describe(error) });
      }
      this.#failed = true;
    } finally {
      this.#looking = false;
    }
  }

  #tell(free: number): void {
    const { clock } = this.#parts;
    this.#rules.storage(free, { now: clock.now(), wall: clock.wall() });
  }
}
