/**
 * How much was used of the network, for each application, pair and link, in periods of equal length (IMDA RS QKDN
 * §8.1.3). A period's records change until it is over; old periods are forgotten.
 */

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

type Changing = { -readonly [F in keyof Account]: Account[F] };

export interface AccountRules {
  /** Of a period, ms. */
  readonly length: number;
  /** Periods that are kept. */
  readonly periods: number;
}

export class Accounts {
  readonly #rules: AccountRules;
  readonly #save: (id: string, account: Account | undefined) => void;
  readonly #records = new Map<string, Changing>();
  readonly #unsaved = new Set<string>();
  #objects = 0;
  #from = 0;

  /** @param save undefined: it is forgotten */
  constructor(
    rules: AccountRules,
    saved: ReadonlyMap<string, Account>,
    save: (id: string, account: Account | undefined) => void,
  ) {
    this.#rules = rules;
    this.#save = save;
    for (const [id, one] of saved) this.#records.set(id, { ...one });
  }

  /** @param wall ms since 1970 UTC */
  add(kind: AccountKind, object: string, used: Used, wall: number): void {
    const { length } = this.#rules;
    const from = Math.floor(wall / length) * length;
    if (from !== this.#from) {
      this.#from = from;
      this.#objects = [...this.#records.values()].filter((one) => one.from === from).length;
    }
    const record = this.#record(from, kind, object);
    for (const name of figures) record[name] += used[name] ?? 0;
    this.#unsaved.add(idOf(record));
  }

  /** Saves what has changed, and forgets what is old. Once a minute, and before the end. @param wall ms since 1970 UTC */
  flush(wall: number): void {
    for (const id of this.#unsaved) {
      const record = this.#records.get(id);
      if (record !== undefined) this.#save(id, { ...record });
    }
    this.#unsaved.clear();
    const kept = this.#kept(wall);
    for (const [id, { from }] of this.#records) {
      if (kept.has(from)) continue;
      this.#records.delete(id);
      this.#save(id, undefined);
    }
  }

  /** Periods, by their count and not by their age: a clock that is years ahead for a moment makes nothing old. */
  #kept(wall: number): ReadonlySet<number> {
    const all = [...new Set([...this.#records.values()].map(({ from }) => from))];
    // Those of a clock that was ahead are the first to go.
    const rank = (from: number) => (from > wall ? Number.NEGATIVE_INFINITY : from);
    return new Set(all.toSorted((a, b) => rank(b) - rank(a)).slice(0, this.#rules.periods));
  }

  /** The oldest first. @param since, until start of a period, ms since 1970 UTC */
  records(since = 0, until = Number.POSITIVE_INFINITY): Account[] {
    return [...this.#records.values()]
      .filter(({ from }) => from >= since && from < until)
      .sort(
        (a, b) =>
          a.from - b.from || a.kind.localeCompare(b.kind) || a.object.localeCompare(b.object),
      )
      .map((one) => ({ ...one }));
  }

  #record(from: number, kind: AccountKind, wanted: string): Changing {
    const known = this.#records.get(`${from} ${kind} ${wanted}`);
    if (known !== undefined) return known;
    const object = this.#objects < mostObjects ? wanted : restName;
    const id = `${from} ${kind} ${object}`;
    const there = this.#records.get(id);
    if (there !== undefined) return there;
    const none = Object.fromEntries(figures.map((name) => [name, 0])) as Record<Figure, number>;
    const record: Changing = { from, length: this.#rules.length, kind, object, ...none };
    this.#records.set(id, record);
    this.#objects++;
    return record;
  }
}

function idOf({ from, kind, object }: Account): string {
  return `${from} ${kind} ${object}`;
}
