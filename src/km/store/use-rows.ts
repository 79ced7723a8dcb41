/**
 * Keys on their way as rows of the books: those of one offer in one row, since they are bound, supplied and fetched
 * together. Bytes, since there are as many as keys. A row that can't be read ends the start. Pure.
 */
import { Fault } from "../../base/errors.ts";
import type { Fate, UseState } from "../../wire/kx/messages.ts";
import { single, singles } from "./key-run.ts";
import { areRun, decodeRun, encodeRun, runForm } from "./run-rows.ts";
import type { Use } from "./shapes.ts";

/** First byte of a row: its form. Of keys that have not parted: `run-rows.ts`. */
const form = 1;
const states: readonly UseState[] = ["O", "P", "S", "B", "T", "X", "V"];
const fates: readonly (Fate | undefined)[] = [undefined, "T", "X", "V"];
const offerLength = 24;
/** Form, offer, flag of the owner, texts, keys. */
const head = 1 + offerLength + 1 + 2 + 2;
/** ID, state, fate, assigned, text (0: none), FATE number, pick-up, slaves that have it, ranges. */
const perKey = 16 + 1 + 1 + 1 + 2 + 6 + 4 + 2 + 2;
const perRange = 6 + 4 + 4;

/** @param entries of one offer, and at least one */
export function encodeUses(entries: readonly Use[]): Buffer {
  if (areRun(entries)) return encodeRun(entries);
  const uses = singles(entries);
  const texts: string[] = [];
  let length = head + uses.length * perKey;
  for (const { request, ranges } of uses) {
    length += ranges.length * perRange;
    if (request === undefined || texts.includes(request)) continue;
    texts.push(request);
    length += 2 + Buffer.byteLength(request);
  }
  // Each byte of it is written: it need not be cleared.
  const row = Buffer.allocUnsafe(length);
  const [{ offer, owner }] = uses as [Use];
  let at = row.writeUInt8(form, 0);
  at += row.write(offer, at, "hex");
  at = row.writeUInt8(owner ? 1 : 0, at);
  at = row.writeUInt16BE(texts.length, at);
  at = row.writeUInt16BE(uses.length, at);
  for (const one of texts) {
    const length = row.write(one, at + 2, "utf8");
    at = row.writeUInt16BE(length, at) + length;
  }
  for (const use of uses) at = encodeUse(row, at, use, texts);
  return row;
}

/** @returns where it ends */
function encodeUse(row: Buffer, from: number, use: Use, texts: readonly string[]): number {
  const { request, ranges } = use;
  let at = from + row.write(use.id, from, "hex");
  row[at++] = states.indexOf(use.state);
  row[at++] = fates.indexOf(use.fate);
  row[at++] = use.assigned ? 1 : 0;
  at = putShort(row, at, request === undefined ? 0 : texts.indexOf(request) + 1);
  at = putLong(row, at, use.number);
  at = row.writeUInt32BE(use.pickUp, at);
  at = putShort(row, at, use.had);
  at = putShort(row, at, ranges.length);
  for (const { extent, start, end } of ranges) {
    at = putLong(row, at, extent);
    at = row.writeUInt32BE(start, at);
    at = row.writeUInt32BE(end, at);
  }
  return at;
}

// In the place of those of Buffer, which check each value.
function putShort(row: Buffer, at: number, value: number): number {
  row[at] = value >>> 8;
  row[at + 1] = value;
  return at + 2;
}

/** Six bytes. */
function putLong(row: Buffer, at: number, value: number): number {
  const low = value >>> 0;
  putShort(row, at, (value - low) / 0x1_0000_0000);
  row[at + 2] = low >>> 24;
  row[at + 3] = low >>> 16;
  row[at + 4] = low >>> 8;
  row[at + 5] = low;
  return at + 6;
}

/** @throws Fault `km_store.corrupt` */
export function decodeUses(row: Buffer): Use[] {
  try {
    if (row[0] !== runForm) return decode(row);
    const use = decodeRun(row);
    if (typeof use === "string") throw corrupt(use);
    // What each has had, or come to, is for itself.
    return use.fate === undefined && use.had === 0 && !use.assigned ? [use] : [...single(use)];
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw corrupt("ends too early");
  }
}

function decode(row: Buffer): Use[] {
  if (row.readUInt8(0) !== form) throw corrupt("has a form that is not known");
  const offer = row.toString("hex", 1, 1 + offerLength);
  const owner = row.readUInt8(1 + offerLength) === 1;
  const texts: string[] = [];
  let at = head;
  for (let i = row.readUInt16BE(head - 4); i > 0; i--) {
    const length = row.readUInt16BE(at);
    texts.push(row.toString("utf8", at + 2, at + 2 + length));
    at += 2 + length;
  }
  const uses: Use[] = [];
  for (let i = row.readUInt16BE(head - 2); i > 0; i--) {
    const state = states[row.readUInt8(at + 16)];
    const fate = row.readUInt8(at + 17);
    const text = row.readUInt16BE(at + 19);
    if (state === undefined || fate >= fates.length || text > texts.length) {
      throw corrupt("has a word that is not known");
    }
    const use: Use = {
      id: row.toString("hex", at, at + 16),
      count: 1,
      offer,
      owner,
      state,
      fate: fates[fate],
      request: text === 0 ? undefined : texts[text - 1],
      assigned: row.readUInt8(at + 18) === 1,
      number: row.readUIntBE(at + 21, 6),
      pickUp: row.readUInt32BE(at + 27),
      had: row.readUInt16BE(at + 31),
      ranges: [],
    };
    const ranges = row.readUInt16BE(at + 33);
    at += perKey;
    use.ranges = Array.from({ length: ranges }, (_, n) => {
      const from = at + n * perRange;
      return {
        extent: row.readUIntBE(from, 6),
        start: row.readUInt32BE(from + 6),
        end: row.readUInt32BE(from + 10),
      };
    });
    at += ranges * perRange;
    uses.push(use);
  }
  if (at !== row.length) throw corrupt("goes on after its end");
  return uses;
}

function corrupt(what: string): Fault {
  return new Fault("km_store.corrupt", `a row of keys on their way ${what}`);
}
