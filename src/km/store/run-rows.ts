/**
 * The row of keys that were asked for together and have not parted: what is alike stands once, and of their IDs the first.
 * A request for 128 keys is 150 bytes of the books instead of 6,300. Pure.
 */
import type { Fate, UseState } from "../../wire/kx/messages.ts";
import { bytesOf, joinRanges } from "./ranges.ts";
import type { Together, Use } from "./shapes.ts";

/** First byte of a row: its form. */
export const runForm = 2;
const states: readonly UseState[] = ["O", "P", "S", "B", "T", "X", "V"];
const fates: readonly (Fate | undefined)[] = [undefined, "T", "X", "V"];
const offerLength = 24;
const idLength = 16;
/** Form, offer, flag of the owner, state, fate, assigned, slaves that have it, pick-up, first ID, keys, bytes of each, text + 1, ranges. */
const head = 1 + offerLength + 4 + 2 + 4 + idLength + 2 + 4 + 2 + 2;
const perRange = 6 + 4 + 4;
/** IDs count in their last two bytes (`supply/ksa-id.ts`). */
const stemLength = 28;
const counts = 0x1_0000;

function suffixOf(id: string): number {
  return Number.parseInt(id.slice(stemLength), 16);
}

function idAfter(id: string, by: number): string {
  const at = (suffixOf(id) + by) % counts;
  return id.slice(0, stemLength) + (at + counts).toString(16).slice(1);
}

/** What keys that begin their way together have in common; undefined if their IDs or lengths do not go together. */
export function togetherOf(keys: readonly Pick<Use, "id" | "ranges">[]): Together | undefined {
  const [first] = keys;
  if (first === undefined || keys.length < 2) return undefined;
  const length = bytesOf(first.ranges);
  const stem = first.id.slice(0, stemLength);
  const from = suffixOf(first.id);
  const isRun = keys.every(({ id, ranges }, i) => {
    const follows = id.startsWith(stem) && suffixOf(id) === (from + i) % counts;
    return follows && bytesOf(ranges) === length;
  });
  return isRun && length > 0 ? { keys: keys.length } : undefined;
}

/** Whether one row can tell of all of them at once: none has parted. @param uses of one offer, in their order */
export function areRun(uses: readonly Use[]): boolean {
  const [first] = uses;
  if (first?.together?.keys !== uses.length) return false;
  const { state, fate, had, request, assigned, pickUp, together } = first;
  return uses.every(
    (use) =>
      use.together === together &&
      use.state === state &&
      use.number === 0 &&
      use.fate === fate &&
      use.had === had &&
      use.request === request &&
      use.assigned === assigned &&
      use.pickUp === pickUp,
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
  at = row.writeUInt16BE(uses.length, at);
  at = row.writeUInt32BE(bytesOf(first.ranges), at);
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
export function decodeRun(row: Buffer): Use[] | string {
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
  const left = Array.from({ length: count }, (_, i) => {
    const from = textEnd + i * perRange;
    const [start, stop] = [row.readUInt32BE(from + 6), row.readUInt32BE(from + 10)];
    return { extent: row.readUIntBE(from, 6), start, end: stop };
  });
  if (keys === 0 || length === 0 || left.some((range) => range.start >= range.end)) {
    return "is of no keys";
  }
  if (bytesOf(left) !== keys * length) return "has other bytes than its keys";
  return Array.from(
    { length: keys },
    (_, i): Use => ({
      id: idAfter(id, i),
      offer,
      owner,
      ranges: takeFrom(left, length),
      state,
      fate: fates[fate],
      had,
      request,
      assigned,
      number: 0,
      pickUp,
    }),
  );
}

/** The first bytes of ranges, which have them no more then. */
function takeFrom(ranges: { extent: number; start: number; end: number }[], length: number) {
  const taken = [];
  for (let left = length; left > 0; ) {
    const first = ranges[0] as (typeof ranges)[number];
    const end = Math.min(first.end, first.start + left);
    taken.push({ extent: first.extent, start: first.start, end });
    left -= end - first.start;
    first.start = end;
    if (first.start === first.end) ranges.shift();
  }
  return taken;
}
