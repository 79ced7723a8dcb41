/**
 * Extents are written while the books write down that they are: neither waits for the other's sync. What the books
 * have in one transaction with an extent is of which keys it was made: these are in the intake until both are durable,
 * and when power fails before that, the next start makes the extent from them once more.
 *
 * Rows of this kind are those of the last transaction alone. They are struck off before anything changes segments, so
 * that what they speak of is there as it was.
 */
import type { Group } from "./group.ts";
import type { HandleRun } from "./handle-runs.ts";
import { giveKeyMemory, takeKeyMemory } from "./key-pool.ts";
import type { ExtentRow, RedoRow } from "./ledger.ts";
import { type NewBytes, placeName } from "./place.ts";

/** Volume and offset, before the runs. */
const placeLength = 6 + 6;
/** Group, first key, and the one after the last. */
const runLength = 6 + 4 + 4;
/** A key that is zeros from end to end has left its segment; a shorter one may be so by chance. Bytes. */
const tellable = 8;

type Written = Pick<ExtentRow, "volume" | "offset">;

/** @param place where the extent is being written @param runs the keys that it is made of, in their order */
export function packMaking({ volume, offset }: Written, runs: readonly HandleRun[]): Buffer {
  const packed = Buffer.alloc(placeLength + runs.length * runLength);
  packed.writeUIntBE(volume, 0, 6);
  packed.writeUIntBE(offset, 6, 6);
  for (const [i, { group, from, to }] of runs.entries()) {
    const at = placeLength + i * runLength;
    packed.writeUIntBE(group, at, 6);
    packed.writeUInt32BE(from, at + 6);
    packed.writeUInt32BE(to, at + 10);
  }
  return packed;
}

/** An extent that was sealed anew since has another place: an older version of the key manager leaves such rows. */
function isAt({ volume, offset }: Written, making: Buffer): boolean {
  return (
    making.length >= placeLength &&
    making.readUIntBE(0, 6) === volume &&
    making.readUIntBE(6, 6) === offset
  );
}

function runsOf(making: Buffer): HandleRun[] {
  const packed = making.subarray(placeLength);
  return Array.from({ length: Math.floor(packed.length / runLength) }, (_, i) => ({
    group: packed.readUIntBE(i * runLength, 6),
    from: packed.readUInt32BE(i * runLength + 6),
    to: packed.readUInt32BE(i * runLength + 10),
  }));
}

/**
 * Extents of the last transaction, from the keys that they were made of. Whether they are in their volume as well does
 * not count: after a failed sync Linux shows what it could not write, and forgets it.
 * @param groups as they stand in segments: no key of them was marked as used yet
 * @returns memory of {@link takeKeyMemory}; those that can't be made are not among them
 */
export function madeAgain(
  redo: readonly RedoRow[],
  extents: readonly ExtentRow[],
  groups: readonly Group[],
): NewBytes[] {
  const made: NewBytes[] = [];
  if (redo.length === 0) return made;
  const rows = new Map(extents.map((row) => [placeName(row.link, row.number), row]));
  const byNumber = new Map(groups.map((group) => [group.number, group]));
  for (const { link, number, runs } of redo) {
    const row = rows.get(placeName(link, number));
    const making = Buffer.from(runs);
    if (row === undefined || !isAt(row, making)) continue;
    const bytes = bytesOf(runsOf(making), row.length, byNumber);
    if (bytes !== undefined) made.push({ link, number, bytes });
  }
  return made;
}

function bytesOf(
  runs: readonly HandleRun[],
  length: number,
  groups: ReadonlyMap<number, Group>,
): Buffer | undefined {
  const bytes = takeKeyMemory(length);
  let at = 0;
  for (const { group: number, from, to } of runs) {
    const group = groups.get(number);
    for (let place = from; place < to; place++) {
      const key = group?.isLive(place) ? group.bytesOf(place) : undefined;
      const isGone =
        key === undefined || (key.length >= tellable && key.every((byte) => byte === 0));
      if (isGone || at + key.length > length) {
        giveKeyMemory(bytes);
        return undefined;
      }
      bytes.set(key, at);
      at += key.length;
    }
  }
  if (at === length) return bytes;
  giveKeyMemory(bytes);
  return undefined;
}
