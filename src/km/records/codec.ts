/**
 * Records as bytes. All big-endian:
 *
 *     u32 length of what follows | u8 kind | u48 ms since 1970 | u32 IDs | u32 ranges
 *     16 bytes an ID | u48 extent, u16 key, u32 start, u32 end a range | facts, JSON in UTF-8
 *
 * IDs and extents can be looked for without reading the rest: a search reads all there is.
 */
import * as v from "valibot";
import { Fault } from "../../base/errors.ts";
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
  offer: v.optional(v.string()),
  reason: v.optional(v.string()),
  mark: v.optional(count),
  remembered: v.optional(count),
  bytes: v.optional(count),
  count: v.optional(count),
  from: v.optional(v.number()),
  to: v.optional(v.number()),
  by: v.optional(v.string()),
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

export function encodeRecord({ kind, at, ids, ranges, facts }: LifeRecord): Buffer {
  const text = Buffer.from(JSON.stringify(facts), "utf8");
  const bytes = Buffer.allocUnsafe(head + ids.length + ranges.length * rangeBytes + text.length);
  bytes.writeUInt32BE(bytes.length - 4, 0);
  bytes.writeUInt8(recordKinds.indexOf(kind) + 1, 4);
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
  text.copy(bytes, to);
  return bytes;
}

/** A record in the bytes that it was read in: only what is asked for is decoded. */
export class RecordView {
  readonly kind: RecordKind;
  readonly #bytes: Buffer;
  readonly #ids: number;
  readonly #ranges: number;

  /** @param bytes the record, with its length before it @throws Fault `km_store.corrupt` */
  constructor(bytes: Buffer) {
    this.#bytes = bytes;
    const kind = bytes.length >= head ? recordKinds[bytes.readUInt8(4) - 1] : undefined;
    if (kind === undefined) throw damaged();
    this.kind = kind;
    this.#ids = bytes.readUInt32BE(11);
    this.#ranges = bytes.readUInt32BE(15);
    if (head + this.#ids * idBytes + this.#ranges * rangeBytes > bytes.length) throw damaged();
  }

  get at(): number {
    return this.#bytes.readUIntBE(5, 6);
  }

  get ids(): Buffer {
    return this.#bytes.subarray(head, head + this.#ids * idBytes);
  }

  /** Place of an ID in the list; -1: it is not there. */
  indexOf(id: Buffer): number {
    const { ids } = this;
    for (let at = ids.indexOf(id); at >= 0; at = ids.indexOf(id, at + 1)) {
      if (at % idBytes === 0) return at / idBytes;
    }
    return -1;
  }

  /** Whether a range has bytes of `[start, end)` of this extent. */
  touches(extent: number, start: number, end: number): boolean {
    const last = this.#firstRange + this.#ranges * rangeBytes;
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
    const last = this.#firstRange + this.#ranges * rangeBytes;
    for (let at = this.#firstRange; at < last; at += rangeBytes) {
      if (extents.has(this.#bytes.readUIntBE(at, 6))) return true;
    }
    return false;
  }

  /** Calls `visit` with each range. */
  ranges(visit: (extent: number, key: number, start: number, end: number) => void): void {
    const bytes = this.#bytes;
    const last = this.#firstRange + this.#ranges * rangeBytes;
    for (let at = this.#firstRange; at < last; at += rangeBytes) {
      const key = bytes.readUInt16BE(at + 6);
      visit(bytes.readUIntBE(at, 6), key, bytes.readUInt32BE(at + 8), bytes.readUInt32BE(at + 12));
    }
  }

  /** @throws Fault `km_store.corrupt` */
  get facts(): Facts {
    return readFacts(this.#bytes.toString("utf8", this.#firstRange + this.#ranges * rangeBytes));
  }

  get #firstRange(): number {
    return head + this.#ids * idBytes;
  }

  /** All of it, in memory of its own. @throws Fault `km_store.corrupt` */
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
