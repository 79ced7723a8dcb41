/** Makes records of what links tell. Steps of keys that are alike and come together share one. Pure. */
import type { Origin, Run } from "../keys/origin.ts";
import type { LinkEvent, UseTold } from "../peer/events.ts";
import type { RelayTold } from "../relay/ports.ts";
import { countOf } from "../store/key-run.ts";
import { fetchedText } from "../store/sae-set.ts";
import { noOffer } from "../store/shapes.ts";
import { mostKeys } from "./codec.ts";
import {
  type Facts,
  type KeyRange,
  type LifeRecord,
  type RunFacts,
  wholeExtent,
} from "./record.ts";

/** A link, as records name it. */
export interface LinkOfRecords {
  readonly name: string;
  /** KM IDs: this one, and the other. */
  readonly kms: readonly [string, string];
  readonly leads: boolean;
}

/** QKD module IDs, this end's and the one that matches it, by the name of this end's module. */
export type ModulePairs = ReadonlyMap<string, readonly [string, string]>;

/** Steps that come within this time share a record, ms. */
const togetherMs = 20;
/** Keys of a record of steps at most. */
const mostSteps = Math.min(4_096, mostKeys);
const none: Buffer = Buffer.alloc(0);

interface Gathering {
  readonly link: string;
  /** The first of these steps. */
  readonly first: UseTold;
  readonly at: number;
  readonly ids: string[];
  readonly counts: number[];
  readonly ranges: KeyRange[];
  keys: number;
}

function begun(link: string, first: UseTold, at: number): Gathering {
  return { link, first, at, ids: [], counts: [], ranges: [], keys: 0 };
}

interface Dropped {
  readonly reason: string;
  /** 16 bytes each. */
  readonly ids: Buffer;
  readonly runs: readonly Run[];
}

export class Notes {
  readonly #modules: ModulePairs;
  readonly #write: (record: LifeRecord) => void;
  #gathering: Gathering | undefined;

  constructor(modules: ModulePairs, write: (record: LifeRecord) => void) {
    this.#modules = modules;
    this.#write = write;
  }

  /** @param at ms since 1970 UTC */
  note(link: LinkOfRecords, event: LinkEvent, at: number): void {
    if (event.type === "use") return this.#use(link, event, at);
    const record = this.#recordOf(link, event, at);
    if (record !== undefined) this.write(record);
  }

  /** Keys of modules that the configuration does not have were dropped: of which link they were is not known. */
  leftOverDropped({ reason, ids, runs }: Dropped, at: number): void {
    this.write({ kind: "dropped", at, ids, ranges: [], facts: { reason, ...this.#runs(runs) } });
  }

  /** A relay ended. It shares no record: its pads, each of one relay, share none, either. */
  relayed({ relay, role, path, failure }: RelayTold, at: number): void {
    const facts = { state: role, route: path, ...(failure !== undefined && { reason: failure }) };
    this.write({ kind: "relayed", at, ids: Buffer.from(relay, "hex"), ranges: [], facts });
  }

  /** Writes a record after all that came before it. */
  write(record: LifeRecord): void {
    this.flush();
    this.#write(record);
  }

  /** Hands on what was gathered. */
  flush(): void {
    const gathering = this.#gathering;
    if (gathering === undefined) return;
    this.#gathering = undefined;
    const { link, first, at, ids, keys, ranges } = gathering;
    const { state, owner, fate, request, offer } = first;
    const fetched = fetchedText(request, first.had);
    const facts: Facts = {
      link,
      state,
      owner,
      ...(fate !== undefined && { fate }),
      ...(request !== undefined && { applications: request }),
      ...(fetched !== undefined && { fetched }),
      ...(offer === noOffer && { reason: "order" }),
    };
    const record = {
      kind: "use" as const,
      at,
      ids: Buffer.from(ids.join(""), "hex"),
      ranges,
      facts,
    };
    this.#write(keys === ids.length ? record : { ...record, counts: gathering.counts });
  }

  #use({ name }: LinkOfRecords, use: UseTold, at: number): void {
    const last = this.#gathering;
    const fits =
      last !== undefined &&
      last.link === name &&
      isAlike(last.first, use) &&
      at >= last.at &&
      at - last.at <= togetherMs &&
      last.keys + countOf(use.keys) <= mostSteps;
    if (!fits) this.flush();
    const gathering: Gathering = fits ? last : begun(name, use, at);
    this.#gathering = gathering;
    for (const { id, count, ranges } of use.keys) {
      const key = gathering.ids.push(id) - 1;
      gathering.counts.push(count);
      gathering.keys += count;
      for (const { extent, start, end } of ranges) {
        gathering.ranges.push({ extent, start, end, key });
      }
    }
  }

  #recordOf(link: LinkOfRecords, event: LinkEvent, at: number): LifeRecord | undefined {
    const { name } = link;
    const of = (kind: LifeRecord["kind"], facts: Facts, ids = none, ranges: KeyRange[] = []) => ({
      kind,
      at,
      ids,
      ranges,
      facts: { link: name, ...facts },
    });
    switch (event.type) {
      case "matched": {
        const { unit, split, ids, runs } = event.batch;
        const { kms, leads } = link;
        const range = { extent: event.number, key: 0, start: 0, end: event.bytes };
        return of("matched", { kms, leads, unit, split, ...this.#runs(runs) }, ids, [range]);
      }
      case "expired": {
        const { ids, runs, lackedBy } = event;
        return of("expired", { reason: lackedBy, ...this.#runs(runs) }, ids);
      }
      case "differs":
        return of("differs", this.#runs(event.runs), event.ids);
      case "dropped":
        return of("dropped", { reason: event.reason, ...this.#runs(event.runs) }, event.ids);
      case "gave":
      case "got":
        return of(event.type, {}, none, event.ranges.map(rangeOnly));
      case "lost":
        return of("lost", { bytes: event.bytes }, none, [allOf(event.extent)]);
      case "restored": {
        const { which, mark, remembered } = event;
        return of("restored", { reason: which, mark, remembered });
      }
      case "gone":
        return of("gone", {}, none, event.numbers.map(allOf));
      default:
        return undefined;
    }
  }

  #runs(runs: readonly Run[]): Facts {
    const names: string[] = [];
    const facts = runs.map(({ count, origin }): RunFacts => {
      const { module, bits, at, generatedAt, qber } = origin;
      let index = names.indexOf(module);
      if (index < 0) index = names.push(module) - 1;
      return [count, bits, at, generatedAt ?? null, qber ?? null, index];
    });
    return { modules: names.map((name) => this.#modules.get(name) ?? [name, ""]), runs: facts };
  }
}

/** Whether one record can tell of both steps. */
function isAlike(one: UseTold, other: UseTold): boolean {
  return (
    one.state === other.state &&
    one.owner === other.owner &&
    one.fate === other.fate &&
    one.request === other.request &&
    (one.had === other.had ||
      fetchedText(one.request, one.had) === fetchedText(other.request, other.had)) &&
    (one.offer === noOffer) === (other.offer === noOffer)
  );
}

function rangeOnly({
  extent,
  start,
  end,
}: {
  extent: number;
  start: number;
  end: number;
}): KeyRange {
  return { extent, start, end, key: 0 };
}

export function allOf(extent: number): KeyRange {
  return { extent, start: 0, end: wholeExtent, key: 0 };
}

/** QKD-keys of a record that came alike, one after the other. */
export interface RunOfRecord {
  /** Place of the first in the record's IDs, and how many there are. */
  readonly index: number;
  readonly count: number;
  readonly origin: Omit<Origin, "module">;
  /** QKD module IDs: this end's, and the one that matches it. */
  readonly modules: readonly [string, string];
  /** Where the bytes of the first begin, among those of all keys of the record; and bytes of each. */
  readonly start: number;
  readonly length: number;
}

/** The QKD-keys that a record tells of, in their order. */
export function* runsOf({ facts, ids }: LifeRecord): Generator<RunOfRecord> {
  let index = 0;
  let start = 0;
  for (const [listed, bits, at, generatedAt, qber, module] of facts.runs ?? []) {
    const origin = {
      bits,
      at,
      ...(generatedAt !== null && { generatedAt }),
      ...(qber !== null && { qber }),
    };
    const modules = facts.modules?.[module] ?? ["", ""];
    const length = Math.floor(bits / 8);
    const count = Math.min(listed, ids.length / 16 - index);
    yield { index, count, origin, modules, start, length };
    index += count;
    start += count * length;
  }
}

/** One QKD-key of a record. */
export interface KeyOfRecord extends Pick<RunOfRecord, "index" | "origin" | "modules"> {
  readonly start: number;
  readonly end: number;
}

/** Each for itself, or only those with bytes in `[from, to)`. */
export function* keysOf(
  record: LifeRecord,
  from = 0,
  to = Number.POSITIVE_INFINITY,
): Generator<KeyOfRecord> {
  for (const { index, count, origin, modules, start, length } of runsOf(record)) {
    if (start + count * length <= from || start >= to) continue;
    for (let i = 0; i < count; i++) {
      const at = start + i * length;
      if (at + length > from && at < to) {
        yield { index: index + i, origin, modules, start: at, end: at + length };
      }
    }
  }
}
