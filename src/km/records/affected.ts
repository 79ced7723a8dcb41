/** Which keys could be known to others if a link was not safe for a time (Y.3803 §8.2.6): two readings. Pure. */
import { cameIn, type Period } from "../keys/origin.ts";
import type { RecordView } from "./codec.ts";
import { kmaKeyId, linkPart, uuid } from "./kma-key-id.ts";
import { keysOf } from "./notes.ts";
import type { LifeRecord } from "./record.ts";
import { idAt, time } from "./story.ts";
import type { Affected, AffectedExtent, AffectedUse } from "./tellings.ts";

/** Extents, and KSA-keys, that are told one by one. */
const mostTold = 10_000;

type Stretch = [start: number, end: number];

interface Found {
  readonly told: AffectedExtent;
  readonly stretches: readonly Stretch[];
}

/** What the link has now, that records do not tell. */
export interface LinkNow {
  readonly waitingKeys: number;
  readonly waitingBits: number;
  /** Extents that are there, and when each was matched. */
  readonly extents: ReadonlyMap<number, number>;
  /** Free bytes of an extent, of both owners. */
  free(extent: number): number;
}

/** First read all records with {@link find}, then all of them again with {@link follow}. */
export class AffectedSearch {
  readonly #link: string;
  readonly #period: Period;
  readonly #extents = new Map<number, Found>();
  readonly #recorded = new Set<number>();
  readonly #uses = new Map<string, AffectedUse>();
  #matched = 0;
  #unused = 0;
  #bits = 0;
  #kmaKeys = 0;

  constructor(link: string, period: Period) {
    this.#link = link;
    this.#period = period;
  }

  find(view: RecordView): void {
    const { kind } = view;
    const isEnd = kind === "expired" || kind === "differs" || kind === "dropped";
    // What was recorded before the period began cannot tell of a key that came in it.
    if ((kind !== "matched" && !isEnd) || view.at < this.#period.from) return;
    const record = view.decode();
    if (record.facts.link !== this.#link) return;
    if (kind === "matched") return this.#ofExtent(record);
    for (const { origin } of keysOf(record)) {
      if (!cameIn({ ...origin, module: "" }, this.#period)) continue;
      this.#unused++;
      this.#bits += origin.bits;
    }
  }

  #ofExtent(record: LifeRecord): void {
    const { facts, ranges, ids, at } = record;
    const extent = ranges[0]?.extent ?? 0;
    this.#recorded.add(extent);
    const stretches: Stretch[] = [];
    let keys = 0;
    for (const { origin, start, end } of keysOf(record)) {
      if (!cameIn({ ...origin, module: "" }, this.#period)) continue;
      keys++;
      this.#bits += origin.bits;
      const last = stretches.at(-1);
      if (last?.[1] === start) last[1] = end;
      else stretches.push([start, end]);
    }
    if (keys === 0) return;
    this.#matched += keys;
    const { unit = 1, kms = ["", ""] } = facts;
    const link = linkPart(kms);
    const units = stretches.map(
      ([start, end]) => [Math.floor(start / unit), Math.floor((end - 1) / unit)] as const,
    );
    let before = -1;
    for (const [first, last] of units) {
      this.#kmaKeys += last - Math.max(first, before + 1) + 1;
      before = last;
    }
    const id = (index: number) => uuid(kmaKeyId(link, extent, index));
    const kma_keys = units.map(([first, last]) => [id(first), id(last)] as const);
    const told = { extent, matched: time(at), keys, of: ids.length / 16, kma_keys };
    this.#extents.set(extent, { told, stretches });
  }

  /** Numbers of the extents that have keys of the period. */
  get extents(): ReadonlySet<number> {
    return new Set(this.#extents.keys());
  }

  follow(view: RecordView): void {
    if (view.kind !== "use" || !view.touchesAny(this.#extents)) return;
    const { facts, ids, ranges, at } = view.decode();
    const { link, state = "V", fate, applications, reason } = facts;
    if (link !== this.#link || reason === "order") return;
    for (const { extent, start, end, key } of ranges) {
      const { stretches = [] } = this.#extents.get(extent) ?? {};
      if (!stretches.some(([from, to]) => start < to && from < end)) continue;
      const ksa_key = uuid(idAt(ids, key));
      const use = { ksa_key, t: time(at), state: fate ?? state };
      this.#uses.set(ksa_key, { ...use, ...(applications !== undefined && { applications }) });
    }
  }

  result(now: LinkNow): Affected {
    const without_record: number[] = [];
    for (const [number, matchedAt] of now.extents) {
      if (!this.#recorded.has(number) && matchedAt >= this.#period.from)
        without_record.push(number);
    }
    const extents = [...this.#extents.values()].map(({ told }) => told);
    const uses = [...this.#uses.values()];
    const free = [...this.#extents.keys(), ...without_record].reduce(
      (sum, number) => sum + now.free(number),
      0,
    );
    return {
      link: this.#link,
      from: time(this.#period.from),
      to: time(this.#period.to),
      matched_keys: this.#matched,
      waiting_keys: now.waitingKeys,
      unused_keys: this.#unused,
      bits: this.#bits + now.waitingBits,
      kma_keys: this.#kmaKeys,
      extents: extents.slice(0, mostTold),
      without_record: without_record.slice(0, mostTold),
      ksa_keys: uses.slice(0, mostTold),
      free_bits: free * 8,
      left_out:
        Math.max(0, extents.length - mostTold) +
        Math.max(0, uses.length - mostTold) +
        Math.max(0, without_record.length - mostTold),
    };
  }

  /** Extents that an order has to give up. */
  toGiveUp({ extents }: Pick<LinkNow, "extents">): Set<number> {
    const numbers = new Set<number>();
    for (const [number, matchedAt] of extents) {
      const unknown = !this.#recorded.has(number) && matchedAt >= this.#period.from;
      if (this.#extents.has(number) || unknown) numbers.add(number);
    }
    return numbers;
  }
}
