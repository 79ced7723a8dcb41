/**
 * Key that waits to be asked for: whole units, and pieces of units that were begun. Oldest first. Pure.
 */

import { Queue } from "../../base/queue.ts";
import type { KeyBlock, QkdKey } from "../../port/key.ts";

/** A block of which keys wait, or were given and not settled. */
export interface Holding<Owner> {
  readonly owner: Owner;
  readonly block: KeyBlock;
  /** Length of its units. */
  readonly unitBits: number;
  /** Bits in units that are neither delivered nor kept back. */
  unsettled: number;
  /** Pieces that are kept back until an operator decides, by key ID. */
  readonly keptBack: Map<string, Piece<Owner>>;
}

/** Some bits of a block. */
export interface Piece<Owner> {
  readonly holding: Holding<Owner>;
  readonly offset: number;
  readonly length: number;
}

/** A piece that was given for a request. */
export interface Given<Owner> {
  readonly key: QkdKey;
  readonly piece: Piece<Owner>;
}

export class Stock<Owner> {
  /** By their length: blocks that were begun keep the units they had. */
  readonly #units = new Map<number, Queue<Piece<Owner>>>();
  readonly #cut = new Map<number, Queue<Piece<Owner>>>();

  /** Whole units, those that came back among them. */
  get units(): number {
    let units = 0;
    for (const [length, queue] of this.#units) {
      units += queue.length + (this.#cut.get(length)?.length ?? 0);
    }
    return units;
  }

  /** Adds a whole unit behind all others. */
  addUnit(unit: Piece<Owner>): void {
    queueOf(this.#units, unit.length).push(unit);
  }

  /** Adds a piece of a unit that was begun behind all others: it is not cut any further. */
  addPiece(piece: Piece<Owner>): void {
    queueOf(this.#cut, piece.length).push(piece);
  }

  /** Puts pieces before all others, in their order; none is cut any further, since its ID may be known. */
  putBack(pieces: readonly Piece<Owner>[]): void {
    const groups = Map.groupBy(pieces, ({ length }) => queueOf(this.#cut, length));
    for (const [queue, group] of groups) queue.giveBack(group);
  }

  /** Whether any is at hand that is, or can be cut in, pieces of that length. */
  has(size: number): boolean {
    for (const [length, units] of this.#units) {
      if (units.length > 0 && length % size === 0) return true;
    }
    return (this.#cut.get(size)?.length ?? 0) > 0;
  }

  next(size: number): Piece<Owner> | undefined {
    const pieces = queueOf(this.#cut, size);
    const begun = pieces.shift();
    if (begun !== undefined) return begun;
    const unit = this.#nextUnit(size);
    if (unit === undefined) return undefined;
    const { holding, offset, length } = unit;
    for (let at = offset + size; at < offset + length; at += size) {
      pieces.push({ holding, offset: at, length: size });
    }
    return { holding, offset, length: size };
  }

  /** Forgets what is left of a block; its bytes are the caller's to wipe. */
  remove(holding: Holding<Owner>): void {
    for (const queue of [...this.#units.values(), ...this.#cut.values()]) {
      for (const piece of queue.clear()) if (piece.holding !== holding) queue.push(piece);
    }
  }

  /** Wipes all of it. */
  wipe(): void {
    for (const queue of [...this.#units.values(), ...this.#cut.values()]) {
      for (const { holding } of queue.clear()) holding.block.wipe();
    }
  }

  #nextUnit(size: number): Piece<Owner> | undefined {
    for (const [length, units] of this.#units) {
      const unit = length % size === 0 ? units.shift() : undefined;
      if (unit !== undefined) return unit;
    }
    return undefined;
  }
}

function queueOf<T>(queues: Map<number, Queue<T>>, size: number): Queue<T> {
  let queue = queues.get(size);
  if (queue === undefined) {
    queue = new Queue();
    queues.set(size, queue);
  }
  return queue;
}
