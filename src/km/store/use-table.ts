/**
 * Keys on their way, by their IDs: there may be hundreds of thousands. Those of one request are one entry until one of them
 * is asked for by its ID; then each is for itself. IDs of any form are found, those that count up at little cost. Pure.
 */
import { idsOf, type KeyRun, single, stemOf, stepsFrom } from "./key-run.ts";
import type { Use } from "./shapes.ts";

/** Keys on their way, to be looked at. */
export interface Uses {
  /** Keys. */
  readonly size: number;
  /** A key for itself: where it was one of several alike, they part. @param id 32 hexadecimal digits */
  get(id: string): Use | undefined;
  has(id: string): boolean;
  /** Whether a key of an entry is in it. */
  hasAny(entry: KeyRun): boolean;
  /** The entry that a key is in. */
  entry(id: string): Use | undefined;
  /** Entries, in the order in which they came; of one key, or of several that are alike. */
  values(): Iterable<Use>;
}

/** Keys of one stem that are for themselves. */
interface Apart {
  /** ID of the first place. */
  readonly first: string;
  /** By place; a gap where one is gone. */
  readonly keys: (Use | undefined)[];
  live: number;
}

export class UseTable implements Uses {
  readonly #stems = new Map<string, Use | Apart>();
  /** By stem and ID: of a stem that is known, and out of its order. */
  readonly #others = new Map<string, Map<string, Use>>();
  readonly #parted: (use: Use, parts: readonly Use[]) => void;
  #size = 0;

  /** @param parted called when the keys of an entry are for themselves from now on */
  constructor(parted: (use: Use, parts: readonly Use[]) => void = () => {}) {
    this.#parted = parted;
  }

  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    return this.entry(id) !== undefined;
  }

  hasAny(entry: KeyRun): boolean {
    return this.#stems.has(stemOf(entry.id)) && idsOf([entry]).some((id) => this.has(id));
  }

  entry(id: string): Use | undefined {
    const found = this.#stems.get(stemOf(id));
    if (found === undefined) return undefined;
    if (isApart(found)) {
      const use = found.keys[stepsFrom(found.first, id)];
      return use?.id === id ? use : this.#other(id);
    }
    return isIn(found, id) ? found : this.#other(id);
  }

  #other(id: string): Use | undefined {
    return this.#others.get(stemOf(id))?.get(id);
  }

  get(id: string): Use | undefined {
    const use = this.entry(id);
    return use === undefined || use.count === 1 ? use : this.part(use)[stepsFrom(use.id, id)];
  }

  /** Each key of an entry for itself. @param use in the table, or once in it */
  part(use: Use): readonly Use[] {
    if (use.parts !== undefined) return use.parts;
    const parts = single(use);
    if (use.count === 1) return parts;
    use.parts = parts;
    this.#stems.set(stemOf(use.id), { first: use.id, keys: [...parts], live: parts.length });
    this.#parted(use, parts);
    return parts;
  }

  /** @returns false if an ID of its keys is in it: nothing changes then */
  add(use: Use): boolean {
    const stem = stemOf(use.id);
    const found = this.#stems.get(stem);
    if (found === undefined) {
      this.#size += use.count;
      this.#stems.set(stem, use);
      return true;
    }
    if (this.hasAny(use)) return false;
    const keys = single(use);
    // Another KM draws its IDs as it likes: beside others of their stem they are no entry of their own.
    if (use.count > 1) use.parts = keys;
    for (const key of keys) this.#addBeside(stem, key);
    return true;
  }

  #addBeside(stem: string, use: Use): void {
    this.#size++;
    const found = this.#stems.get(stem) as Use | Apart;
    if (!isApart(found) && found.count > 1) return this.#addOther(stem, use);
    const apart = isApart(found) ? found : { first: found.id, keys: [found], live: 1 };
    const place = stepsFrom(apart.first, use.id);
    // Its own place is free, or it is next: a gap in front of it would be memory for nothing.
    if (place > apart.keys.length || apart.keys[place] !== undefined) {
      return this.#addOther(stem, use);
    }
    apart.keys[place] = use;
    apart.live++;
    if (apart !== found) this.#stems.set(stem, apart);
  }

  #addOther(stem: string, use: Use): void {
    const others = this.#others.get(stem) ?? new Map<string, Use>();
    this.#others.set(stem, others.set(use.id, use));
  }

  /** @returns whether it was there */
  delete(id: string): boolean {
    const use = this.get(id);
    if (use === undefined) return false;
    this.#size--;
    const stem = stemOf(id);
    const others = this.#others.get(stem);
    const found = this.#stems.get(stem) as Use | Apart;
    if (others?.delete(id)) {
      if (others.size === 0) this.#others.delete(stem);
      if (others.size === 0 && isApart(found) && found.live === 0) this.#stems.delete(stem);
    } else if (!isApart(found)) {
      // While there are others of this stem they are found by it.
      if (others === undefined) this.#stems.delete(stem);
      else this.#stems.set(stem, { first: id, keys: [undefined], live: 0 });
    } else {
      found.keys[stepsFrom(found.first, id)] = undefined;
      found.live--;
      if (found.live === 0 && others === undefined) this.#stems.delete(stem);
    }
    return true;
  }

  /** Those that are deleted meanwhile are left out. */
  *values(): Generator<Use> {
    for (const found of this.#stems.values()) {
      if (!isApart(found)) yield found;
      else for (const use of found.keys) if (use !== undefined) yield use;
    }
    for (const others of this.#others.values()) yield* others.values();
  }
}

function isApart(found: Use | Apart): found is Apart {
  return "live" in found;
}

function isIn({ id: first, count }: Use, id: string): boolean {
  return count === 1 ? first === id : stepsFrom(first, id) < count;
}
