/**
 * The row of keys that were asked for together and have not parted: what is alike stands once, and of their IDs the first.
 * A request for 128 keys is 150 bytes of the books instead of 6,300. Pure.
 */
import type { Fate, UseState } from "../../wire/kx/messages.ts";
import { countOf } from "./key-run.ts";
import { bytesOf, joinRanges } from "./ranges.ts";
import type { Use } from "./shapes.ts";

/** First byte of a row: its form. */
export const runForm = 2;
const states: readonly UseState[] = ["O", "P", "S", "B", "T", "X", "V"];
const fates: readonly (Fate | undefined)[] = [undefined, "T", "X", "V"];
const offerLength = 24;
const idLength = 16;
/** Form, offer, flag of the owner, state, fate, assigned, slaves that have it, pick-up, first ID, keys, bytes of each, text + 1, ranges. */
const head = 1 + offerLength + 4 + 2 + 4 + idLength + 2 + 4 + 2 + 2;
const perRange = 6 + 4 + 4;

/** Whether one row can tell of all of them at once. @param uses of one offer, in their order */
export function areRun(uses: readonly Use[]): boolean {
  const [first] = uses;
  if (first === undefined) return false;
  if (uses.length === 1 && first.count > 1) return true;
  const { run, state, fate, had, request, assigned, pickUp } = first;
  // Parted, and alike all the same.
  return (
    run?.count === uses.length &&
    uses.every(
      (use) =>
        use.run === run &&
        use.state === state &&
        use.number === 0 &&
        use.fate === fate &&
        use.had === had &&
        use.request === request &&
        use.assigned === assigned &&
        use.pickUp === pickUp,
    )
  );
}

/** @param uses see {@link areRun} */
export function encodeRun(uses: readonly Use[]): Buffer {
  const [first] = uses as readonly [Use];
  const ranges = joinRanges(uses.flatMap((use) => use.ranges));
  const text = first.request === undefined ? 0 : Buffer.byteLength(first.request);
  const row = Buffer.alloc(head + text + ranges.length * perRange);
  let at = row.writeUInt8(runForm, 0);
  at += row.write(first.offer, at, "hex");
  at = row.writeUInt8(first.owner ? 1 : 0, at);
  at = row.writeUInt8(states.indexOf(first.state), at);
  at = row.writeUInt8(fates.indexOf(first.fate), at);
  at = row.writeUInt8(first.assigned ? 1 : 0, at);
  at = row.writeUInt16BE(first.had, at);
  at = row.writeUInt32BE(first.pickUp, at);
  at += row.write(first.id, at, "hex");
  const keys = countOf(uses);
  at = row.writeUInt16BE(keys, at);
  at = row.writeUInt32BE(bytesOf(ranges) / keys, at);
  at = row.writeUInt16BE(first.request === undefined ? 0 : text + 1, at);
  at = row.writeUInt16BE(ranges.length, at);
  if (first.request !== undefined) at += row.write(first.request, at, "utf8");
  for (const { extent, start, end } of ranges) {
    at = row.writeUIntBE(extent, at, 6);
    at = row.writeUInt32BE(start, at);
    at = row.writeUInt32BE(end, at);
  }
  return row;
}

/** @returns what is wrong with the row, if something is @throws RangeError if it ends too early */
export function decodeRun(row: Buffer): Use | string {
  const offer = row.toString("hex", 1, 1 + offerLength);
  let at = 1 + offerLength;
  const owner = row.readUInt8(at) === 1;
  const state = states[row.readUInt8(at + 1)];
  const fate = row.readUInt8(at + 2);
  if (state === undefined || fate >= fates.length) return "has a word that is not known";
  const assigned = row.readUInt8(at + 3) === 1;
  const had = row.readUInt16BE(at + 4);
  const pickUp = row.readUInt32BE(at + 6);
  at += 10;
  const id = row.toString("hex", at, at + idLength);
  at += idLength;
  const keys = row.readUInt16BE(at);
  const length = row.readUInt32BE(at + 2);
  const text = row.readUInt16BE(at + 6);
  const count = row.readUInt16BE(at + 8);
  at += 10;
  const textEnd = at + Math.max(0, text - 1);
  const end = textEnd + count * perRange;
  if (end > row.length) return "ends too early";
  if (end < row.length) return "goes on after its end";
  const request = text === 0 ? undefined : row.toString("utf8", at, textEnd);
  const ranges = Array.from({ length: count }, (_, i) => {
    const from = textEnd + i * perRange;
    const [start, stop] = [row.readUInt32BE(from + 6), row.readUInt32BE(from + 10)];
    return { extent: row.readUIntBE(from, 6), start, end: stop };
  });
  if (keys === 0 || length === 0 || ranges.some((range) => range.start >= range.end)) {
    return "is of no keys";
  }
  if (bytesOf(ranges) !== keys * length) return "has other bytes than its keys";
  return {
    id,
    count: keys,
    offer,
    owner,
    ranges,
    state,
    fate: fates[fate],
    had,
    request,
    assigned,
    number: 0,
    pickUp,
  };
}
