/**
 * Keys on their way as rows of the books: those of one offer in one row, since they are bound, supplied and fetched
 * together. Bytes, since there are as many as keys. A row that can't be read ends the start. Pure.
 */
import { Fault } from "../../base/errors.ts";
import type { Fate, UseState } from "../../wire/kx/messages.ts";
import type { Use } from "./shapes.ts";

/** First byte of a row: its form. */
const form = 1;
const states: readonly UseState[] = ["O", "P", "S", "B", "T", "X", "V"];
const fates: readonly (Fate | undefined)[] = [undefined, "T", "X", "V"];
const offerLength = 24;
/** Form, offer, flag of the owner, texts, keys. */
const head = 1 + offerLength + 1 + 2 + 2;
/** ID, state, fate, assigned, text (0: none), FATE number, pick-up, slaves that have it, ranges. */
const perKey = 16 + 1 + 1 + 1 + 2 + 6 + 4 + 2 + 2;
const perRange = 6 + 4 + 4;

/** @param uses of one offer, and at least one */
export function encodeUses(uses: readonly Use[]): Buffer {
  const texts = [...new Set(uses.flatMap(({ request }) => request ?? []))];
  const ranges = uses.reduce((sum, use) => sum + use.ranges.length, 0);
  const text = texts.reduce((sum, one) => sum + 2 + Buffer.byteLength(one), 0);
  const row = Buffer.alloc(head + text + uses.length * perKey + ranges * perRange);
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
  for (const use of uses) {
    at += row.write(use.id, at, "hex");
    at = row.writeUInt8(states.indexOf(use.state), at);
    at = row.writeUInt8(fates.indexOf(use.fate), at);
    at = row.writeUInt8(use.assigned ? 1 : 0, at);
    at = row.writeUInt16BE(use.request === undefined ? 0 : texts.indexOf(use.request) + 1, at);
    at = row.writeUIntBE(use.number, at, 6);
    at = row.writeUInt32BE(use.pickUp, at);
    at = row.writeUInt16BE(use.had, at);
    at = row.writeUInt16BE(use.ranges.length, at);
    for (const { extent, start, end } of use.ranges) {
      at = row.writeUIntBE(extent, at, 6);
      at = row.writeUInt32BE(start, at);
      at = row.writeUInt32BE(end, at);
    }
  }
  return row;
}

/** @throws Fault `km_store.corrupt` */
export function decodeUses(row: Buffer): Use[] {
  try {
    return decode(row);
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
