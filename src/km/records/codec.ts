/**
 * Records as bytes. All big-endian:
 *
 *     u32 length of what follows | u8 kind | u48 ms since 1970 | u32 IDs | u32 ranges
 *     16 bytes an ID | u48 extent, u16 key, u32 start, u32 end a range | facts, JSON in UTF-8
 *
 * Kind + 128: each ID is the first of several that count up; u16 each, how many, is behind the ranges, which are of all of
 * them. IDs and extents can be looked for without reading the rest: a search reads all there is.
 */
import * as v from "valibot";
import { Fault } from "../../base/errors.ts";
import type { Range } from "../../wire/kx/messages.ts";
import { cutKeys, idsOf, stepsFrom } from "../store/key-run.ts";
import { bytesOf } from "../store/ranges.ts";
import {
  type Facts,
  type KeyRange,
  type LifeRecord,
  type RecordKind,
  type RunFacts,
  recordKinds,
} from "./record.ts";

const idBytes = 16;
const rangeBytes = 16;
const head = 4 + 1 + 6 + 4 + 4;
/** A record is no shorter than this, with the braces of its facts. */
export const shortestRecord = head + 2;
/** A record is no longer than this. */
export const longestRecord = 16_777_216;
/** Keys of one record: ranges name them with 16 bits. */
export const mostKeys = 65_536;
/** Added to the kind where IDs are of several keys. */
const several = 0x80;
const countBytes = 2;
/** Bytes of an ID that are the same in all that count up. */
const stemBytes = 14;

const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
const factsShape = v.strictObject({
  link: v.optional(v.string()),
  kms: v.optional(v.tuple([v.string(), v.string()])),
  modules: v.optional(v.array(v.tuple([v.string(), v.string()]))),
  // Many: a schema of each costs more than all else of a search.
  runs: v.optional(v.custom<readonly RunFacts[]>((value) => isRuns(value))),
  unit: v.optional(v.pipe(count, v.minValue(1))),
  split: v.optional(count),
  leads: v.optional(v.boolean()),
  state: v.optional(v.string()),
  fate: v.optional(v.string()),
  owner: v.optional(v.boolean()),
  applications: v.optional(v.string()),
  fetched: v.optional(v.string()),
  offer: v.optional(v.string()),
  reason: v.optional(v.string()),
  mark: v.optional(count),
  remembered: v.optional(count),
  bytes: v.optional(count),
  count: v.optional(count),
  from: v.optional(v.number()),
  to: v.optional(v.number()),
  by: v.optional(v.string()),
  route: v.optional(v.array(v.string())),
});

function isRuns(value: unknown): boolean {
  const isCount = (one: unknown) => Number.isSafeInteger(one) && (one as number) >= 0;
  const isTime = (one: unknown) => typeof one === "number";
  return (
    Array.isArray(value) &&
    value.every(
      (run) =>
        Array.isArray(run) &&
        run.length === 6 &&
        isCount(run[0]) &&
        isCount(run[1]) &&
        isTime(run[2]) &&
        (run[3] === null || isTime(run[3])) &&
        (run[4] === null || isTime(run[4])) &&
        isCount(run[5]),
    )
  );
}

export function encodeRecord({ kind, at, ids, counts = [], ranges, facts }: LifeRecord): Buffer {
  const text = Buffer.from(JSON.stringify(facts), "utf8");
  const length = head + ids.length + ranges.length * rangeBytes + counts.length * countBytes;
  const bytes = Buffer.allocUnsafe(length + text.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes.writeUInt8(recordKinds.indexOf(kind) + 1 + (counts.length > 0 ? several : 0), 4);
  bytes.writeUIntBE(Math.max(0, Math.floor(at)), 5, 6);
  bytes.writeUInt32BE(ids.length / idBytes, 11);
  bytes.writeUInt32BE(ranges.length, 15);
  ids.copy(bytes, head);
  let to = head + ids.length;
  for (const { extent, key, start, end } of ranges) {
    bytes.writeUIntBE(extent, to, 6);
    bytes.writeUInt16BE(key, to + 6);
    bytes.writeUInt32BE(start, to + 8);
    bytes.writeUInt32BE(end, to + 12);
    to += rangeBytes;
  }
  for (const one of counts) to = bytes.writeUInt16BE(one, to);
  text.copy(bytes, to);
  return bytes;
}

/** A record in the bytes that it was read in: only what is asked for is decoded. */
export class RecordView {
  readonly kind: RecordKind;
  readonly #bytes: Buffer;
  readonly #entries: number;
  readonly #ranges: number;
  /** Keys of each ID; undefined: one. */
  readonly #counts: readonly number[] | undefined;

  /** @param bytes the record, with its length before it @throws Fault `km_store.corrupt` */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const code = bytes.length >= head ? bytes.readUInt8(4) : 0;
    const kind = recordKinds[(code & ~several) - 1];
    if (kind === undefined) throw damaged();
    this.kind = kind;
    this.#entries = bytes.readUInt32BE(11);
    this.#ranges = bytes.readUInt32BE(15);
    const isSeveral = (code & several) !== 0;
    const end = this.#afterRanges + (isSeveral ? this.#entries * countBytes : 0);
    if (end > bytes.length) throw damaged();
    this.#counts = isSeveral ? this.#readCounts() : undefined;
  }

  #readCounts(): number[] {
    const counts: number[] = [];
    let keys = 0;
    for (let i = 0; i < this.#entries; i++) {
      const one = this.#bytes.readUInt16BE(this.#afterRanges + i * countBytes);
      keys += one;
      if (one === 0 || keys > mostKeys) throw damaged();
      counts.push(one);
    }
    return counts;
  }

  get at(): number {
    return this.#bytes.readUIntBE(5, 6);
  }

  get #firstIds(): Buffer {
    return this.#bytes.subarray(head, head + this.#entries * idBytes);
  }

  get ids(): Buffer {
    const first = this.#firstIds;
    if (this.#counts === undefined) return first;
    return Buffer.from(
      idsOf(this.#counts.map((one, i) => ({ id: idIn(first, i), count: one }))).join(""),
      "hex",
    );
  }

  /** Place of an ID in the list; -1: it is not there. */
  indexOf(id: Buffer): number {
    const ids = this.#firstIds;
    if (this.#counts !== undefined) return this.#indexAmong(this.#counts, ids, id);
    for (let at = ids.indexOf(id); at >= 0; at = ids.indexOf(id, at + 1)) {
      if (at % idBytes === 0) return at / idBytes;
    }
    return -1;
  }

  #indexAmong(counts: readonly number[], ids: Buffer, id: Buffer): number {
    let before = 0;
    for (const [i, one] of counts.entries()) {
      const at = i * idBytes;
      if (id.compare(ids, at, at + stemBytes, 0, stemBytes) === 0) {
        const steps = stepsFrom(idIn(ids, i), id.toString("hex"));
        if (steps < one) return before + steps;
      }
      before += one;
    }
    return -1;
  }

  /** Whether a range has bytes of `[start, end)` of this extent. */
  touches(extent: number, start: number, end: number): boolean {
    const last = this.#afterRanges;
    for (let at = this.#firstRange; at < last; at += rangeBytes) {
      if (this.#bytes.readUIntBE(at, 6) !== extent) continue;
      if (this.#bytes.readUInt32BE(at + 8) < end && start < this.#bytes.readUInt32BE(at + 12)) {
        return true;
      }
    }
    return false;
  }

  /** Whether a range is of one of these extents. */
  touchesAny(extents: { has(extent: number): boolean }): boolean {
    const last = this.#afterRanges;
    for (let at = this.#firstRange; at < last; at += rangeBytes) {
      if (extents.has(this.#bytes.readUIntBE(at, 6))) return true;
    }
    return false;
  }

  /** Calls `visit` with each range of each key. */
  ranges(visit: (extent: number, key: number, start: number, end: number) => void): void {
    if (this.#counts === undefined) return this.#each(visit);
    const byEntry = new Map<number, Range[]>();
    this.#each((extent, entry, start, end) => {
      const its = byEntry.get(entry) ?? [];
      byEntry.set(entry, its);
      if (start < end) its.push({ extent, start, end });
    });
    let first = 0;
    for (const [i, one] of this.#counts.entries()) {
      const its = byEntry.get(i) ?? [];
      first += one;
      if (its.length === 0) continue;
      let key = first - one;
      for (const pieces of cutKeys(its, Math.ceil(bytesOf(its) / one))) {
        for (const { extent, start, end } of pieces) visit(extent, key, start, end);
        key++;
      }
    }
  }

  /** As they are written: of an entry's keys together. */
  #each(visit: (extent: number, entry: number, start: number, end: number) => void): void {
    const bytes = this.#bytes;
    const last = this.#afterRanges;
    for (let at = this.#firstRange; at < last; at += rangeBytes) {
      const key = bytes.readUInt16BE(at + 6);
      visit(bytes.readUIntBE(at, 6), key, bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12));
    }
  }

  /** @throws Fault `km_store.corrupt` */
  get facts(): Facts {
    const counts = (this.#counts?.length ?? 0) * countBytes;
    return readFacts(this.#bytes.toString("utf8", this.#afterRanges + counts));
  }

  get #firstRange(): number {
    return head + this.#entries * idBytes;
  }

  get #afterRanges(): number {
    return this.#firstRange + this.#ranges * rangeBytes;
  }

  /** All of it, key by key, in memory of its own. @throws Fault `km_store.corrupt` */
  decode(): LifeRecord {
    const ranges: KeyRange[] = [];
    this.ranges((extent, key, start, end) => ranges.push({ extent, key, start, end }));
    return {
      kind: this.kind,
      at: this.at,
      ids: Buffer.from(this.ids),
      ranges,
      facts: this.facts,
    };
  }
}

function idIn(ids: Buffer, place: number): string {
  return ids.toString("hex", place * idBytes, (place + 1) * idBytes);
}

/** How many records a whole payload has. */
export function countIn(payload: Buffer): number {
  let count = 0;
  for (let at = 0; at + head <= payload.length; at += 4 + payload.readUInt32BE(at)) count++;
  return count;
}

/** Records in the payload of a group, one after the other. @throws Fault `km_store.corrupt` */
export function* viewsIn(payload: Buffer): Generator<RecordView> {
  for (let at = 0; at < payload.length; ) {
    if (at + head > payload.length) throw damaged();
    const end = at + 4 + payload.readUInt32BE(at);
    if (end > payload.length || end < at + head) throw damaged();
    yield new RecordView(payload.subarray(at, end));
    at = end;
  }
}

function readFacts(text: string): Facts {
  try {
    return v.parse(factsShape, JSON.parse(text)) as Facts;
  } catch {
    throw damaged();
  }
}

function damaged(): Fault {
  return new Fault("km_store.corrupt", "a record has another form");
}
