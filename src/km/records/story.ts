/** What became of one key, in order, from two readings of the records. Pure. */
import type { RecordView } from "./codec.ts";
import { kmaKeyId, kmaKeyOf, linkPart, uuid } from "./kma-key-id.ts";
import { keysOf } from "./notes.ts";
import type { LifeRecord } from "./record.ts";
import type { KeyStory, StoryStep } from "./tellings.ts";

/** Steps of a story at most. */
const mostSteps = 1_000;
/** Records with the ID itself: a conflict may come again and again. */
const mostHits = 1_000;

interface Place {
  readonly link: string;
  readonly extent: number;
  readonly start: number;
  readonly end: number;
}

interface UnitOfLink {
  readonly link: string;
  readonly extent: number;
  readonly unit: number;
}

/** A link, and what IDs of its KMA-keys begin with. */
export interface LinkOfSearch {
  readonly name: string;
  readonly kms: readonly [string, string];
}

const stepOf: Readonly<Record<string, StoryStep["step"]>> = {
  O: "offered",
  P: "prepared",
  S: "supplied",
  B: "bound",
  T: "taken",
  X: "expired",
  V: "void",
};
const fates = { T: "taken", X: "expired", V: "void" } as const;

export function time(at: number): string {
  return new Date(at).toISOString();
}

/** First read all records with {@link find}, then all of them again with {@link follow}. */
export class StorySearch {
  readonly #id: Buffer;
  readonly #hits: LifeRecord[] = [];
  readonly #places: Place[] = [];
  readonly #steps: StoryStep[] = [];
  readonly #unit:
    | { readonly link: string; readonly extent: number; readonly unit: number }
    | undefined;
  #kind: KeyStory["kind"] = "unknown";
  #about: Pick<KeyStory, "link" | "kms"> = {};
  #leftOut = 0;

  constructor(id: Buffer, links: readonly LinkOfSearch[]) {
    this.#id = id;
    for (const { name, kms } of links) {
      const found = kmaKeyOf(linkPart(kms), id);
      if (found !== undefined) this.#unit = { link: name, ...found };
    }
  }

  find(view: RecordView): void {
    const unit = this.#unit;
    const isUnit = unit !== undefined && view.kind === "matched" && view.touches(unit.extent, 0, 1);
    if (!isUnit && view.indexOf(this.#id) < 0) return;
    const record = view.decode();
    if (isUnit && record.facts.link === unit.link) this.#foundUnit(record, unit);
    else if (!isUnit && this.#hits.push(record) > mostHits) this.#hits.shift();
  }

  #foundUnit({ facts, ranges }: LifeRecord, { link, extent, unit: index }: UnitOfLink): void {
    const { unit = 1, kms } = facts;
    const start = index * unit;
    const end = Math.min(start + unit, ranges[0]?.end ?? 0);
    if (start >= end) return;
    this.#kind = "KMA-key";
    this.#about = { link, ...(kms && { kms }) };
    this.#places.push({ link, extent, start, end });
  }

  /** All records were found: now what became of the bytes. */
  found(): void {
    for (const record of this.#hits) {
      const { kind, facts, ids, ranges, at } = record;
      const { link = "" } = facts;
      if (kind === "use") {
        this.#kind = "KSA-key";
        this.#about = { ...this.#about, link };
        const key = placeIn(ids, this.#id);
        for (const range of ranges) {
          if (range.key !== key || this.#has(link, range)) continue;
          this.#places.push({ link, extent: range.extent, start: range.start, end: range.end });
        }
        continue;
      }
      this.#kind = "QKD-key";
      // A relay is of no link of a KM between.
      if (kind !== "relayed") {
        this.#about = { ...this.#about, link, ...(facts.kms && { kms: facts.kms }) };
      }
      this.#ofQkdKey(record, at);
    }
    if (this.#kind !== "KSA-key") return;
    for (const record of this.#hits) if (record.kind === "use") this.#use(record, true);
  }

  #has(link: string, { extent, start, end }: Omit<Place, "link">): boolean {
    return this.#places.some(
      (place) =>
        place.link === link &&
        place.extent === extent &&
        place.start === start &&
        place.end === end,
    );
  }

  #ofQkdKey(record: LifeRecord, at: number): void {
    const { kind, facts, ids, ranges } = record;
    const index = placeIn(ids, this.#id);
    const key = [...keysOf(record)].find((one) => one.index === index);
    if (key !== undefined && !this.#steps.some(({ step }) => step === "received")) {
      this.#steps.push(receivedStep(key));
    }
    const { link = "", reason, route = [] } = facts;
    const because = reason !== undefined && { reason };
    if (kind === "matched" && key !== undefined) {
      const extent = ranges[0]?.extent ?? 0;
      const { start, end } = key;
      this.#places.push({ link, extent, start, end });
      this.#steps.push(matchedStep(record, start, end));
    } else if (kind === "relayed") this.#add({ t: time(at), step: "relayed", route, ...because });
    else if (kind === "expired") this.#add({ t: time(at), step: "no_match", ...because });
    else if (kind === "differs" || kind === "conflict" || kind === "dropped") {
      this.#add({ t: time(at), step: kind, ...because });
    }
  }

  follow(view: RecordView): void {
    if (!this.#places.some(({ extent, start, end }) => view.touches(extent, start, end))) return;
    const isOwn = view.kind === "matched" ? this.#kind === "QKD-key" : false;
    // Told already, from what has the ID itself.
    if (isOwn || (view.kind === "use" && this.#kind === "KSA-key")) return;
    const record = view.decode();
    if (!this.#places.some(({ link }) => link === record.facts.link)) return;
    if (record.kind === "use") return this.#use(record, false);
    this.#ofBytes(record);
  }

  #ofBytes(record: LifeRecord): void {
    const { kind, at, ranges, facts } = record;
    for (const place of this.#places) {
      const range = ranges.find((one) => overlaps(one, place));
      if (range === undefined || place.link !== facts.link) continue;
      const { extent } = place;
      if (kind === "matched") {
        for (const key of keysOf(record, place.start, place.end)) {
          this.#add({ ...receivedStep(key), reason: uuid(idAt(record.ids, key.index)) });
        }
        this.#add(matchedStep(record, place.start, place.end));
      } else if (kind === "order") {
        this.#add({ t: time(at), step: "order", extent, ...(facts.by && { by: facts.by }) });
      } else if (kind === "gone") this.#add({ t: time(at), step: "deleted", extent });
      else if (kind === "gave" || kind === "got" || kind === "lost") {
        this.#add({ t: time(at), step: kind, extent });
      }
    }
  }

  /** @param own only the key that is looked for, or all that have bytes of it */
  #use({ at, facts, ids, ranges }: LifeRecord, own: boolean): void {
    const { link, state = "V", fate, applications, fetched, reason } = facts;
    const told = new Set<number>();
    const ownKey = own ? placeIn(ids, this.#id) : -1;
    for (const range of ranges) {
      const place = this.#places.find((one) => one.link === link && overlaps(range, one));
      if (place === undefined || told.has(range.key) || (own && range.key !== ownKey)) continue;
      told.add(range.key);
      const word = fate === undefined ? undefined : fates[fate as "T" | "X" | "V"];
      const step =
        reason === "order" ? "given_up" : word === undefined ? (stepOf[state] ?? "void") : "fate";
      this.#add({
        t: time(at),
        step,
        ...(reason !== "order" && !own && { ksa_key: uuid(idAt(ids, range.key)) }),
        ...(applications !== undefined && { applications }),
        ...(fetched !== undefined && { fetched }),
        ...(word !== undefined && { fate: word }),
        extent: range.extent,
        start: Math.max(range.start, own ? 0 : place.start),
        end: own ? range.end : Math.min(range.end, place.end),
      });
    }
  }

  #add(step: StoryStep): void {
    if (this.#steps.length < mostSteps) this.#steps.push(step);
    else this.#leftOut++;
  }

  /** @param waits the key is in the buffer: where it came from */
  result(
    waits: { readonly link: string | undefined; readonly received: StoryStep } | undefined,
  ): KeyStory {
    const steps = [...this.#steps];
    let kind = this.#kind;
    let about = this.#about;
    if (waits !== undefined) {
      kind = "QKD-key";
      about = { ...about, ...(waits.link !== undefined && { link: waits.link }) };
      steps.push(waits.received, { t: waits.received.t, step: "waits" });
    }
    const order = steps.map((step, i) => ({ step, i }));
    order.sort((a, b) => a.step.t.localeCompare(b.step.t) || a.i - b.i);
    const told = order.map(({ step }) => step);
    return { id: uuid(this.#id), kind, ...about, steps: told, left_out: this.#leftOut };
  }
}

function overlaps(a: Omit<Place, "link">, b: Omit<Place, "link">): boolean {
  return a.extent === b.extent && a.start < b.end && b.start < a.end;
}

export function idAt(ids: Buffer, index: number): Buffer {
  return ids.subarray(16 * index, 16 * index + 16);
}

function placeIn(ids: Buffer, id: Buffer): number {
  for (let at = 0; at < ids.length; at += 16)
    if (ids.subarray(at, at + 16).equals(id)) return at / 16;
  return -1;
}

/** How a QKD-key came. */
export function receivedStep({
  origin: { bits, at, generatedAt, qber },
  modules: [module, matching],
}: {
  readonly origin: {
    readonly bits: number;
    readonly at: number;
    readonly generatedAt?: number;
    readonly qber?: number;
  };
  readonly modules: readonly [string, string];
}): StoryStep {
  return {
    t: time(at),
    step: "received",
    module,
    matching_module: matching,
    bits,
    ...(generatedAt !== undefined && { generated: time(generatedAt) }),
    ...(qber !== undefined && { qber }),
  };
}

function matchedStep({ at, facts, ranges }: LifeRecord, start: number, end: number): StoryStep {
  const { unit = 1, kms = ["", ""] } = facts;
  const extent = ranges[0]?.extent ?? 0;
  const link = linkPart(kms);
  const id = (byte: number) => uuid(kmaKeyId(link, extent, Math.floor(byte / unit)));
  const kma_keys = [id(start), id(Math.max(start, end - 1))] as const;
  return { t: time(at), step: "matched", extent, start, end, kma_keys };
}
