/** Which keys could be known to others if a link was not safe for a time (Y.3803 §8.2.6): two readings. Pure. */
import type { Period } from "../keys/origin.ts";
import { relayOf } from "../relay/ports.ts";
import { type Choice, keysOfPeriod } from "./choice.ts";
import type { RecordView } from "./codec.ts";
import { kmaKeyId, linkPart, uuid } from "./kma-key-id.ts";
import type { LifeRecord } from "./record.ts";
import { time } from "./story.ts";
import type { AffectedExtent, AffectedOfLink, AffectedUse } from "./tellings.ts";

/** Extents, and KSA-keys, that are told one by one. */
const mostTold = 10_000;
/** Records of QKD-keys that became an extent, or that never do. */
export const kindsOfKeys: ReadonlySet<string> = new Set([
  "matched",
  "expired",
  "differs",
  "dropped",
]);
/** Relays that are followed: their IDs are in memory. */
const mostRelays = 1_000_000;

type Stretch = [start: number, end: number];

interface Found {
  readonly told: AffectedExtent;
  readonly stretches: readonly Stretch[];
}

/** What the link has now, that records do not tell. */
export interface LinkNow {
  readonly waitingKeys: number;
  readonly waitingBits: number;
  /** QKD-keys that wait of modules that are not configured: they could be of this link. */
  readonly leftOverKeys: number;
  /** Extents that are there, and when each was matched. */
  readonly extents: ReadonlyMap<number, number>;
  /** Free bytes of an extent, of both owners. */
  free(extent: number): number;
}

/** First read all records with {@link find}, then all of them again with {@link follow}. */
export class AffectedSearch {
  readonly #link: string;
  readonly #period: Period;
  readonly #choice: Choice;
  readonly #extents = new Map<number, Found>();
  readonly #recorded = new Set<number>();
  readonly #relays = new Set<string>();
  #relaysLeftOut = 0;
  #sawRelays = false;
  readonly #uses = new Map<string, Omit<AffectedUse, "ksa_key">>();
  #usesLeftOut = 0;
  #matched = 0;
  #unused = 0;
  #bits = 0;
  #kmaKeys = 0;

  /** @param choice which keys of the link; default: those of the period */
  constructor(link: string, period: Period, choice: Choice = keysOfPeriod(period)) {
    this.#link = link;
    this.#period = period;
    this.#choice = choice;
  }

  /** The same extents, of which no use was looked for yet: {@link follow} finds those of now. */
  retraced(): AffectedSearch {
    const again = new AffectedSearch(this.#link, this.#period, this.#choice);
    for (const [number, found] of this.#extents) again.#extents.set(number, found);
    return again;
  }

  /** IDs, in hexadecimal, of the relays that had pads of these keys. */
  get relays(): ReadonlySet<string> {
    return this.#relays;
  }

  /** This KM takes part in relays: more of these keys may have become pads by now. */
  get sawRelays(): boolean {
    return this.#sawRelays || this.#relays.size > 0;
  }

  find(view: RecordView): void {
    const { kind } = view;
    this.#sawRelays ||= kind === "relayed";
    if (!kindsOfKeys.has(kind)) return;
    // Most of what is older is passed over by its facts alone.
    if (view.at < this.#period.from && !this.#choice.mayHave(view.facts)) return;
    const record = view.decode();
    if (record.facts.link !== this.#link) return;
    if (kind === "matched") return this.#ofExtent(record);
    for (const { count, bits } of this.#choice.of(record)) {
      this.#unused += count;
      this.#bits += count * bits;
    }
  }

  #ofExtent(record: LifeRecord): void {
    const { facts, ranges, ids, at } = record;
    const extent = ranges[0]?.extent ?? 0;
    this.#recorded.add(extent);
    const stretches: Stretch[] = [];
    let keys = 0;
    for (const { count, bits, start, length } of this.#choice.of(record)) {
      keys += count;
      this.#bits += count * bits;
      const end = start + count * length;
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
    const { ids, at, facts } = view;
    const { link, state = "V", fate, applications, reason } = facts;
    if (link !== this.#link || reason === "order") return;
    const use = {
      t: time(at),
      state: fate ?? state,
      ...(applications !== undefined && { applications }),
    };
    let last = -1;
    let found: Found | undefined;
    let of = -1;
    view.ranges((extent, key, start, end) => {
      if (key === last) return;
      if (extent !== of) found = this.#extents.get(extent);
      of = extent;
      if (!found?.stretches.some(([from, to]) => start < to && from < end)) return;
      last = key;
      const relay = relayOf(applications);
      if (relay !== undefined) this.#followRelay(relay);
      const id = ids.toString("latin1", 16 * key, 16 * key + 16);
      // Each key is offered or bound once: those that there is no room for are counted by that.
      if (this.#uses.size < mostTold || this.#uses.has(id)) this.#uses.set(id, use);
      else if (state === "O" || state === "B") this.#usesLeftOut++;
    });
  }

  #followRelay(relay: string): void {
    if (this.#relays.size < mostRelays || this.#relays.has(relay)) this.#relays.add(relay);
    else this.#relaysLeftOut++;
  }

  result(now: LinkNow): AffectedOfLink {
    const without_record: number[] = [];
    for (const [number, matchedAt] of now.extents) {
      if (!this.#recorded.has(number) && matchedAt >= this.#period.from)
        without_record.push(number);
    }
    const extents = [...this.#extents.values()].map(({ told }) => told);
    const uses = Array.from(this.#uses, ([id, use]) => ({
      ksa_key: uuid(Buffer.from(id, "latin1")),
      ...use,
    }));
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
      left_over_keys: now.leftOverKeys,
      unused_keys: this.#unused,
      bits: this.#bits + now.waitingBits,
      kma_keys: this.#kmaKeys,
      extents: extents.slice(0, mostTold),
      without_record: without_record.slice(0, mostTold),
      ksa_keys: uses,
      free_bits: free * 8,
      left_out:
        Math.max(0, extents.length - mostTold) +
        this.#usesLeftOut +
        this.#relaysLeftOut +
        Math.max(0, without_record.length - mostTold),
    };
  }

  /** Those of its extents that are there, and on record as having such keys. */
  recordedOf({ extents }: Pick<LinkNow, "extents">): number[] {
    return [...this.#extents.keys()].filter((number) => extents.has(number));
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
