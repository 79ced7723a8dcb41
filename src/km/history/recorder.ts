/**
 * Remembers what the key manager had and did: of each link the last day of stock and rates, how fast keys of each
 * module come, and since when each verdict holds. Pure: told once a second.
 */
import { TelemetryHistory } from "../../ops/history/history.ts";
import { RateMeter } from "../../ops/history/rate.ts";
import type { KmStatus, LinkStatus } from "../model/status.ts";
import { type KmVerdict, kmVerdict, linkVerdict } from "../model/verdict.ts";

/** What is remembered of a link: bits, and bit/s. */
export const recordedNames = [
  "total_stock_bits",
  "stock_bits",
  "peer_stock_bits",
  "waiting_bits",
  "received_rate",
  "matched_rate",
  "taken_rate",
] as const;

export type RecordedName = (typeof recordedNames)[number];

/** Bit/s over the last ten seconds. */
export interface LinkRates {
  /** Of QKD-keys, from all its modules. */
  readonly received: number;
  /** Compared, into stock. */
  readonly matched: number;
  /** Given to applications and fetched, at both ends. */
  readonly taken: number;
}

/** How fast keys of a module come. */
export interface ModuleRates {
  readonly bits: number;
  readonly keys: number;
  /** s since the last one came; absent: none came since the start. */
  readonly last_key_s?: number;
}

export interface Since {
  /** ms since 1970 UTC */
  readonly since: number;
}

interface Moment {
  readonly now: number;
  readonly wall: number;
}

class LinkRecord {
  readonly history = new TelemetryHistory<RecordedName>(recordedNames);
  readonly received = new RateMeter();
  readonly matched = new RateMeter();
  readonly taken = new RateMeter();
}

class ModuleRecord {
  readonly bits = new RateMeter();
  readonly keys = new RateMeter();
  count = 0;
  lastAt: number | undefined;
}

export class KmRecorder {
  readonly #links = new Map<string, LinkRecord>();
  readonly #modules = new Map<string, ModuleRecord>();
  readonly #held = new Map<string, { readonly code: string; readonly since: number }>();
  #moment: Moment;
  #lookedAt: number;

  /** @param links what is remembered from the start: what was before the start may be put back */
  constructor(links: readonly string[], moment: Moment) {
    for (const link of links) this.#links.set(link, new LinkRecord());
    this.#moment = moment;
    this.#lookedAt = moment.now;
  }

  /** The state of now; about once a second. */
  look(status: KmStatus, moment: Moment): void {
    const { now } = moment;
    this.#moment = moment;
    this.#lookedAt = now;
    for (const { name, received_bits, received_keys } of status.modules) {
      const record = entry(this.#modules, name, () => new ModuleRecord());
      record.bits.read(received_bits, now);
      record.keys.read(received_keys, now);
      if (received_keys > record.count) record.lastAt = now;
      record.count = received_keys;
    }
    for (const link of status.links) this.#look(status, link, now);
    const verdicts = status.links.map(
      (link) => [link.name, linkVerdict(status, link, this.lastKeys).code] as const,
    );
    for (const [name, code] of [
      ...verdicts,
      ["", kmVerdict(status, this.lastKeys).code] as const,
    ]) {
      if (this.#held.get(name)?.code === code) continue;
      this.#held.set(name, { code, since: moment.wall });
    }
  }

  #look({ modules }: KmStatus, link: LinkStatus, now: number): void {
    const record = entry(this.#links, link.name, () => new LinkRecord());
    const own = modules.filter((one) => one.link === link.name);
    record.received.read(
      own.reduce((sum, { received_bits }) => sum + received_bits, 0),
      now,
    );
    record.matched.read(link.matched_bits, now);
    record.taken.read(link.taken_bits, now);
    const { received, matched, taken } = this.rates(link.name);
    record.history.add(
      {
        total_stock_bits: link.stock_bits + link.peer_stock_bits,
        stock_bits: link.stock_bits,
        peer_stock_bits: link.peer_stock_bits,
        waiting_bits: link.waiting_bits,
        received_rate: received,
        matched_rate: matched,
        taken_rate: taken,
      },
      now,
    );
  }

  /** ms since it was told last: grows when the key manager makes no progress. */
  idleMs(now: number): number {
    return now - this.#lookedAt;
  }

  history(link: string): TelemetryHistory<RecordedName> | undefined {
    return this.#links.get(link)?.history;
  }

  rates(link: string): LinkRates {
    const record = this.#links.get(link);
    const of = (meter: RateMeter | undefined) => Math.max(0, meter?.perSecond ?? 0);
    return {
      received: of(record?.received),
      matched: of(record?.matched),
      taken: of(record?.taken),
    };
  }

  moduleRates(module: string): ModuleRates {
    const record = this.#modules.get(module);
    const last = this.lastKeys(module);
    return {
      bits: record?.bits.perSecond ?? 0,
      keys: record?.keys.perSecond ?? 0,
      ...(last !== undefined && { last_key_s: Math.round(last) }),
    };
  }

  /** s since the last key of a module came; undefined: none came since the start. */
  readonly lastKeys = (module: string): number | undefined => {
    const at = this.#modules.get(module)?.lastAt;
    return at === undefined ? undefined : (this.#moment.now - at) / 1_000;
  };

  /** The verdict on all of it, and since when it holds. */
  verdict(status: KmStatus): KmVerdict & Since {
    return this.#since("", kmVerdict(status, this.lastKeys));
  }

  linkVerdict(status: KmStatus, link: LinkStatus): KmVerdict & Since {
    return this.#since(link.name, linkVerdict(status, link, this.lastKeys));
  }

  #since(name: string, verdict: KmVerdict): KmVerdict & Since {
    const held = this.#held.get(name);
    const since = held?.code === verdict.code ? held.since : this.#moment.wall;
    return { ...verdict, since };
  }
}

function entry<T>(map: Map<string, T>, name: string, make: () => T): T {
  const known = map.get(name);
  if (known !== undefined) return known;
  const made = make();
  map.set(name, made);
  return made;
}
