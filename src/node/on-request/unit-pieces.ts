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

/**
 * All of them, in order; bits behind the last whole unit are none. A key that is on record keeps its bounds, also where
 * it fits no unit: the block was cut otherwise once, and that record was lost to damage.
 */
export function placesOf(
  bits: number,
  unitBits: number,
  record: Pick<BlockRecord, "assigned"> | undefined,
): readonly Place[] {
  const recorded = [...(record?.assigned.values() ?? [])];
  const fits = ({ offset, length }: Pick<Assignment, "offset" | "length">) =>
    unitBits % length === 0 && offset % length === 0;
  const unitAt = (offset: number) => Math.floor(offset / unitBits);
  // Units that have bits of such a key are not cut anew.
  const touched = new Set<number>();
  for (const { offset, length } of recorded.filter((one) => !fits(one))) {
    for (let unit = unitAt(offset); unit <= unitAt(offset + length - 1); unit++) touched.add(unit);
  }
  const places: Place[] = [];
  const sizes = new Map<number, number>();
  for (const one of recorded) {
    const { offset, length } = one;
    if (!fits(one) || touched.has(unitAt(offset))) places.push({ offset, length, begun: true });
    else sizes.set(unitAt(offset), length);
  }
  for (let unit = 0; unit < unitAt(bits); unit++) {
    if (touched.has(unit)) continue;
    const from = unit * unitBits;
    const size = sizes.get(unit);
    const length = size ?? unitBits;
    for (let offset = from; offset < from + unitBits; offset += length) {
      places.push({ offset, length, begun: size !== undefined });
    }
  }
  return places.sort((a, b) => a.offset - b.offset);
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
