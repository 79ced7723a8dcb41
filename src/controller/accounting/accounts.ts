/**
 * How much was used of the network, for each application, pair and link, in periods of equal length (IMDA RS QKDN
 * §8.1.3). A period's records change until it is over; only those of the last few are in memory, the others are the
 * store's, and old periods are forgotten.
 */
import { Periods } from "./periods.ts";

/** How much of one thing was used in one period. */
export interface Account {
  /** Start and length of the period: ms since 1970 UTC, ms. */
  readonly from: number;
  readonly length: number;
  readonly kind: AccountKind;
  /** SAE ID, `KM1--KM2`. */
  readonly object: string;
  /** KSA-keys and their bits that applications were given, and requests that were refused. */
  readonly keys: number;
  readonly bits: number;
  readonly refused: number;
  /** Bits that a link made, and that were used of it. */
  readonly made: number;
  readonly consumed: number;
  /** Relays, their bits, and those that failed. */
  readonly relays: number;
  readonly relayed: number;
  readonly failed: number;
  /** Sessions that began, and s that sessions were open. */
  readonly sessions: number;
  readonly session_s: number;
}

export type AccountKind = "application" | "pair" | "link";
type Figure = Exclude<keyof Account, "from" | "length" | "kind" | "object">;
export type Used = Readonly<Partial<Record<Figure, number>>>;

const figures = [
  "keys",
  "bits",
  "refused",
  "made",
  "consumed",
  "relays",
  "relayed",
  "failed",
  "sessions",
  "session_s",
] as const satisfies readonly Figure[];

/** Objects of one period at the most: what is more goes to one that stands for the rest. */
const mostObjects = 20_000;
const restName = "(others)";
/** Periods in memory: that of now, and those of a clock that was put right just now. */
export const mostOpen = 3;

type Changing = { -readonly [F in keyof Account]: Account[F] };

export interface AccountRules {
  /** Of a period, ms. */
  readonly length: number;
  /** Periods that are kept. */
  readonly periods: number;
  /** Records of all periods; default: {@link mostRecords}. */
  readonly records?: number;
}

/** What lasts of accounts. */
export interface AccountsWorld {
  /** @param account undefined: its ID is the start of a period, and all of that period is forgotten */
  save(id: string, account: Account | undefined): void;
  /** Periods that are forgotten before their time, because there are too many records: how many, up to when (ms). */
  short(periods: number, until: number): void;
}

/** A period in memory. */
interface Open {
  readonly from: number;
  /** By `KIND OBJECT`. */
  readonly records: Map<string, { readonly id: string; readonly record: Changing }>;
  readonly unsaved: Set<string>;
  /** Behind the IDs of its new records: the store has some of this period that are not in memory. */
  readonly part: string;
}

export class Accounts {
  readonly #rules: AccountRules;
  readonly #world: AccountsWorld;
  readonly #periods: Periods;
  /** The one that was used last is the last. */
  readonly #open = new Map<number, Open>();
  #last: Open | undefined;

  /**
   * @param saved by ID: of the newest periods, and of that of now
   * @param counts records of each period that the store has; default: those of `saved`
   */
  constructor(
    rules: AccountRules,
    saved: ReadonlyMap<string, Account>,
    counts: ReadonlyMap<number, number> | undefined,
    world: AccountsWorld,
  ) {
    this.#rules = rules;
    this.#world = world;
    this.#periods = new Periods(rules.periods, counts ?? countsOf(saved), rules.records);
    for (const [id, one] of saved) {
      const { records } = this.#opened(one.from, "");
      const key = keyOf(one);
      if (!records.has(key)) records.set(key, { id, record: { ...one } });
    }
  }

  /** @param wall ms since 1970 UTC */
  add(kind: AccountKind, object: string, used: Used, wall: number): void {
    const open = this.#at(startOf(wall, this.#rules.length), wall);
    const { key, record } = this.#record(open, kind, object);
    for (const name of figures) record[name] += used[name] ?? 0;
    open.unsaved.add(key);
  }

  /**
   * Saves what has changed, and forgets what is old. Once a minute, and before the end.
   * @param wall ms since 1970 UTC @param isAll saves what has not changed, too
   */
  flush(wall: number, isAll = false): void {
    for (const open of this.#open.values()) {
      if (isAll) for (const key of open.records.keys()) open.unsaved.add(key);
      this.#save(open);
    }
    const gone = this.#periods.takeOld(wall);
    for (const { from } of gone) {
      this.#open.delete(from);
      if (this.#last?.from === from) this.#last = undefined;
      this.#world.save(`${from}`, undefined);
    }
    const early = gone.filter(({ isEarly }) => isEarly).map(({ from }) => from);
    if (early.length === 0) return;
    this.#world.short(early.length, Math.max(...early) + this.#rules.length);
  }

  /** Those in memory, the oldest first. */
  records(): Account[] {
    return [...this.#open.values()]
      .flatMap(({ records }) => [...records.values()].map(({ record }) => ({ ...record })))
      .sort(
        (a, b) =>
          a.from - b.from || a.kind.localeCompare(b.kind) || a.object.localeCompare(b.object),
      );
  }

  #at(from: number, wall: number): Open {
    if (this.#last?.from === from) return this.#last;
    // What the store has of it is not read again: what comes now has IDs of its own, and is added up by who reads.
    const isBack = !this.#open.has(from) && this.#periods.has(from);
    const open = this.#opened(from, isBack ? `\t${wall}` : "");
    this.#last = open;
    for (const [oldest, one] of this.#open) {
      if (this.#open.size <= mostOpen) break;
      this.#save(one);
      this.#open.delete(oldest);
    }
    return open;
  }

  #opened(from: number, part: string): Open {
    const open = this.#open.get(from) ?? { from, records: new Map(), unsaved: new Set(), part };
    this.#open.delete(from);
    this.#open.set(from, open);
    return open;
  }

  #save({ records, unsaved }: Open): void {
    for (const key of unsaved) {
      const one = records.get(key);
      if (one !== undefined) this.#world.save(one.id, { ...one.record });
    }
    unsaved.clear();
  }

  #record({ from, records, part }: Open, kind: AccountKind, wanted: string) {
    const object =
      records.has(keyOf({ kind, object: wanted })) || records.size < mostObjects
        ? wanted
        : restName;
    const key = keyOf({ kind, object });
    const known = records.get(key);
    if (known !== undefined) return { key, record: known.record };
    const none = Object.fromEntries(figures.map((name) => [name, 0])) as Record<Figure, number>;
    const record: Changing = { from, length: this.#rules.length, kind, object, ...none };
    records.set(key, { id: `${from} ${key}${part}`, record });
    this.#periods.add(from);
    return { key, record };
  }
}

/** Start of the period in which this is, ms since 1970 UTC. @param length of a period, ms */
export function startOf(wall: number, length: number): number {
  return Math.floor(wall / length) * length;
}

function keyOf({ kind, object }: Pick<Account, "kind" | "object">): string {
  return `${kind} ${object}`;
}

function countsOf(saved: ReadonlyMap<string, Account>): Map<number, number> {
  const counts = new Map<number, number>();
  for (const { from } of saved.values()) counts.set(from, (counts.get(from) ?? 0) + 1);
  return counts;
}
