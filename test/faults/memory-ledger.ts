/** Books in memory that are durable when they answer, and fail or lose power as the disk they stand beside. */
import { errorCode, Fault } from "../../src/base/errors.ts";
import type {
  ConsumedRow,
  ExtentRow,
  Ledger,
  LedgerChange,
  LedgerLoaded,
  RedoRow,
} from "../../src/km/io/engine/ledger.ts";
import type { LedgerRow } from "../../src/km/io/engine/packed-rows.ts";
import { type Disk, PowerCut } from "./disk.ts";

export class MemoryLedger implements Ledger {
  readonly #rows = new Map<string, LedgerRow>();
  readonly #consumed = new Map<number, ConsumedRow>();
  readonly #extents = new Map<string, ExtentRow>();
  #redo: readonly RedoRow[] = [];
  readonly #draw: () => number;
  disk: Disk;

  /** @param draw decides whether a transaction that was cut is there, uniform in [0, 1) */
  constructor(disk: Disk, draw: () => number) {
    this.disk = disk;
    this.#draw = draw;
  }

  async load(): Promise<LedgerLoaded> {
    this.#trouble();
    return {
      rows: [...this.#rows.values()],
      consumed: [...this.#consumed.values()],
      extents: [...this.#extents.values()],
      redo: this.#redo,
    };
  }

  async apply(change: LedgerChange): Promise<void> {
    const copy = structuredClone(change);
    this.#trouble(() => this.#write(copy));
    this.#write(copy);
    await Promise.resolve();
  }

  #trouble(partly?: () => void): void {
    const { disk } = this;
    if (disk.dead) throw new Fault("km_store.io", "no power");
    const trouble = disk.trouble(++disk.operations);
    if (trouble === undefined) return;
    disk.troubles++;
    if (trouble instanceof PowerCut) disk.dead = true;
    if (errorCode(trouble) === "ENOSPC") throw new Fault("km_store.full", "no room");
    if (this.#draw() < 0.5) partly?.();
    throw new Fault("km_store.io", "made by the test");
  }

  #write({ rows, consumed, extents, gone, segmentsGone, redo }: LedgerChange): void {
    this.#redo = redo;
    for (const row of rows) {
      const name = `${row.kind} ${row.link} ${row.key}`;
      if (row.value === undefined) this.#rows.delete(name);
      else this.#rows.set(name, row);
    }
    for (const row of consumed) this.#consumed.set(row.grp, row);
    for (const row of extents) this.#extents.set(`${row.link} ${row.number}`, row);
    for (const { link, number } of gone) this.#extents.delete(`${link} ${number}`);
    for (const [grp, { segment }] of this.#consumed) {
      if (segmentsGone.includes(segment)) this.#consumed.delete(grp);
    }
  }

  async close(): Promise<void> {}
}
