/**
 * What the books tell of keys that no file has any more: a row of a group is of keys that are durable, so one whose
 * group is in no segment, and which has keys that were not used, is of keys that the disk lost. Pure.
 */
import type { ConsumedRow } from "./ledger.ts";

/** Bits of the last byte that are of no key are ones: so a zero is a key that waits, also where no group tells how many it has. */
export function bitsFor(keys: number): Uint8Array {
  const bits = new Uint8Array(Math.ceil(keys / 8));
  if (keys % 8 !== 0) bits[bits.length - 1] = 0xff << (keys % 8);
  return bits;
}

/** Number of a row that is of no group: written by each start, and by the end. */
const closedRow = -2;
/** In that row, first: what wrote it fills the bits of all rows as {@link bitsFor} does. An older key manager writes none. */
const filled = 1;
/** Bytes of the number of a segment. */
const numberLength = 6;

/**
 * Row that tells of which segments there are, and how many keys waited when the store was closed in order: a witness
 * against files that are gone since, or lost some of their keys.
 * @param keys undefined: it is open @param segments their numbers: of each the file is durable, and none is removed before
 *   a row without it is
 */
export function closedWith(keys: number | undefined, segments: readonly number[]): ConsumedRow {
  const bits = Buffer.alloc(1 + segments.length * numberLength, filled);
  for (const [i, number] of segments.entries()) {
    bits.writeUIntBE(number, 1 + i * numberLength, numberLength);
  }
  return { grp: closedRow, segment: keys === undefined ? 0 : -1 - keys, bits };
}

/** What a transaction has of segments that were begun since the one before. */
export function rowsOfBegun(intake: {
  hasNew: boolean;
  readonly numbers: number[];
}): ConsumedRow[] {
  if (!intake.hasNew) return [];
  intake.hasNew = false;
  return [closedWith(undefined, intake.numbers)];
}

/** Segments of which the books tell and of which no file is there. @param there numbers of the files */
export function goneSegments(
  consumed: ReadonlyMap<number, ConsumedRow>,
  there: readonly number[],
): number[] {
  const bits = Buffer.from(consumed.get(closedRow)?.bits ?? []);
  const numbers: number[] = [];
  for (let at = 1; at < bits.length; at += numberLength) {
    numbers.push(bits.readUIntBE(at, numberLength));
  }
  const found = new Set(there);
  return numbers.filter((number) => !found.has(number));
}

/** Rows of the books by group, and the numbers of groups that are in a segment. */
export interface Witnesses {
  readonly consumed: ReadonlyMap<number, ConsumedRow>;
  readonly there: ReadonlySet<number>;
}

/** @param waiting keys that are there @returns how many are known to be gone: at least one if any are */
export function lostKeys({ consumed, there }: Witnesses, waiting: number): number {
  const { segment = 0 } = consumed.get(closedRow) ?? {};
  const sinceClosed = segment < 0 ? Math.max(0, -1 - segment - waiting) : 0;
  const areFilled = isFilled(consumed);
  let ofRows = 0;
  for (const { grp, bits } of consumed.values()) {
    if (grp > 0 && !there.has(grp)) ofRows += unused(bits, areFilled);
  }
  return Math.max(sinceClosed, ofRows);
}

/**
 * Rows that the books are to have from this start on: groups that are in no segment are used, so that no key of theirs
 * is free if their file is found again.
 */
export function rowsOfLost({ consumed, there }: Witnesses): ConsumedRow[] {
  return [...consumed.values()]
    .filter(({ grp, bits }) => grp > 0 && !there.has(grp) && bits.some((byte) => byte !== 0xff))
    .map(({ grp, segment, bits }) => ({
      grp,
      segment,
      bits: new Uint8Array(bits.length).fill(0xff),
    }));
}

/** Whether each row has the form of {@link bitsFor}. */
export function isFilled(consumed: ReadonlyMap<number, ConsumedRow>): boolean {
  return (consumed.get(closedRow)?.bits.length ?? 0) > 0;
}

/** Keys of a row that were not used. Of the last byte of an older one it is not known how many keys it has. */
function unused(bits: Uint8Array, areFilled: boolean): number {
  let zeros = 0;
  for (const [i, byte] of bits.entries()) {
    const isLast = i === bits.length - 1;
    const known = isLast && !areFilled ? Math.max(1, 32 - Math.clz32(byte)) : 8;
    for (let bit = 0; bit < known; bit++) if ((byte & (1 << bit)) === 0) zeros++;
  }
  return zeros;
}
