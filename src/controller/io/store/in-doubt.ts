/**
 * Changes of which it is not known whether the database has them: the answer to their COMMIT was lost. Records may be
 * written twice, the log of changes may not. The count of writes, which is in the same transaction, tells. Pure.
 */
import type { ChangeStatus } from "../../model/status.ts";

export class InDoubt {
  #open: readonly ChangeStatus[] | undefined;
  /** In the database, and given again by who was told that the write failed. */
  readonly #there = new Set<ChangeStatus>();

  /** A write failed, and what came of it is not known. */
  get isOpen(): boolean {
    return this.#open !== undefined;
  }

  failed(changes: readonly ChangeStatus[]): void {
    this.#open = changes;
  }

  /** @param isThere the write is in the database after all */
  settle(isThere: boolean): void {
    if (isThere) for (const change of this.#open ?? []) this.#there.add(change);
    this.#open = undefined;
  }

  /** Those that the database does not have. @param changes the same objects as before */
  missing(changes: readonly ChangeStatus[]): readonly ChangeStatus[] {
    return this.#there.size === 0 ? changes : changes.filter((one) => !this.#there.has(one));
  }

  /** Nothing is given again any more, or the database is another. */
  clear(): void {
    this.#open = undefined;
    this.#there.clear();
  }
}
