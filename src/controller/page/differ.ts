/** What is new since the last message: of a network of hundreds of nodes all of it would be too much each second. */
import type { Snapshot } from "./snapshot.ts";

/** Lists of the snapshot, and what their rows are known by. */
const keys = { nodes: "km", links: "link", pairs: "pair", sessions: "session" } as const;
type ListName = keyof typeof keys;
const lists = Object.keys(keys) as readonly ListName[];

/** Rows that are other than they were, and keys of those that are gone. */
export interface Change {
  readonly rows: readonly object[];
  readonly gone: readonly string[];
}

type Whole = Snapshot & { readonly whole: true };
type News = Partial<Omit<Snapshot, ListName>> & {
  readonly whole: false;
  readonly t: number;
  readonly lists: Partial<Record<ListName, Change>>;
};
export type Message = Whole | News;

/** What was told, as JSON by key; and what single browsers were told since that is other. */
class Told {
  #texts = new Map<string, string>();
  readonly #apart = new Set<string>();

  /** One browser is told this before the others. */
  aside(rows: ReadonlyMap<string, string>): void {
    for (const [key, text] of rows) if (this.#texts.get(key) !== text) this.#apart.add(key);
    for (const key of this.#texts.keys()) if (!rows.has(key)) this.#apart.add(key);
  }

  /** @returns keys of what is new to any browser, and of what is gone */
  next(rows: ReadonlyMap<string, string>) {
    const before = this.#texts;
    const fresh = [...rows].flatMap(([key, text]) =>
      before.get(key) !== text || this.#apart.has(key) ? [key] : [],
    );
    const known = new Set([...before.keys(), ...this.#apart]);
    this.#texts = new Map(rows);
    this.#apart.clear();
    return { fresh: new Set(fresh), gone: [...known].filter((key) => !rows.has(key)) };
  }
}

/** For one server: what its browsers were told is kept here. */
export class Differ {
  readonly #lists = new Map(lists.map((name) => [name, new Told()]));
  readonly #values = new Told();

  /** For a browser that has only come. */
  whole(snapshot: Snapshot): Whole {
    for (const [name, told] of this.#lists) told.aside(textsOf(name, snapshot));
    this.#values.aside(valuesOf(snapshot));
    return { ...snapshot, whole: true };
  }

  /** @returns what is new to those that have been told before */
  next(snapshot: Snapshot): News {
    const changed: Partial<Record<ListName, Change>> = {};
    for (const [name, told] of this.#lists) {
      const { fresh, gone } = told.next(textsOf(name, snapshot));
      const rows: readonly object[] = snapshot[name];
      const own = rows.filter((row) => fresh.has(keyOf(name, row)));
      if (own.length + gone.length > 0) changed[name] = { rows: own, gone };
    }
    const { fresh } = this.#values.next(valuesOf(snapshot));
    const values = Object.entries(snapshot).filter(([name]) => fresh.has(name));
    return { ...Object.fromEntries(values), t: snapshot.t, whole: false, lists: changed };
  }
}

function keyOf(name: ListName, row: object): string {
  return String((row as Readonly<Record<string, unknown>>)[keys[name]]);
}

function textsOf(name: ListName, snapshot: Snapshot): ReadonlyMap<string, string> {
  const rows: readonly object[] = snapshot[name];
  return new Map(rows.map((row) => [keyOf(name, row), JSON.stringify(row)]));
}

/** All that is no list. */
function valuesOf(snapshot: Snapshot): ReadonlyMap<string, string> {
  const own = Object.entries(snapshot).filter(([name]) => !Object.hasOwn(keys, name));
  return new Map(own.map(([name, value]) => [name, JSON.stringify(value)]));
}
