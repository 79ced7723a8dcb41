/**
 * The pieces of a block that was cut to be asked for: whole units, and the pieces of units that were
 * begun. Supplied unasked, after a change to proactive mode, they keep their bounds and so their IDs. Pure.
 */
import { type KeyBlock, QkdKey } from "../../port/key.ts";
import { type IdSource, keyIdOf } from "../keys/key-id.ts";
import type { Assignment, BlockRecord } from "../keys/ports.ts";

/** Length of a unit unless configured, bits (the default of Table 3 here). */
export const defaultUnitBits = 256;

/** Some bits of a block. */
export interface Place extends Pick<Assignment, "offset" | "length"> {
  /** It is a piece of a unit that was begun: it is not cut any further. */
  readonly begun: boolean;
}

/** All of them, in order; bits behind the last whole unit are none. */
export function* placesOf(
  bits: number,
  unitBits: number,
  record: Pick<BlockRecord, "assigned"> | undefined,
): Iterable<Place> {
  const sizes = new Map<number, number>();
  for (const { offset, length } of record?.assigned.values() ?? []) {
    sizes.set(Math.floor(offset / unitBits), length);
  }
  const units = Math.floor(bits / unitBits);
  for (let unit = 0; unit < units; unit++) {
    const from = unit * unitBits;
    const size = sizes.get(unit);
    const length = size ?? unitBits;
    for (let offset = from; offset < from + unitBits; offset += length) {
      yield { offset, length, begun: size !== undefined };
    }
  }
}

/** Makes a key of each, in order. The caller takes all of them and wipes each. */
export class UnitPieces {
  readonly #block: KeyBlock;
  readonly #bytes: Uint8Array;
  readonly #ids: IdSource;
  readonly #places: Iterator<Place>;

  constructor(block: KeyBlock, unitBits: number, record: BlockRecord | undefined, ids: IdSource) {
    this.#block = block;
    this.#bytes = block.expose();
    this.#ids = ids;
    this.#places = placesOf(block.bits, unitBits, record)[Symbol.iterator]();
  }

  next(): QkdKey | undefined {
    const { value: place } = this.#places.next();
    if (place === undefined) return undefined;
    const { facts } = this.#block;
    const { offset, length } = place;
    const id = keyIdOf(this.#ids, facts, offset, length);
    return new QkdKey(id, facts, this.#bytes, length, undefined, offset / 8);
  }
}
