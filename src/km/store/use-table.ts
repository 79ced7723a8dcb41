/**
 * Keys on their way, by their IDs: there may be hundreds of thousands. IDs of one request differ in their last two
 * bytes alone and count up (`supply/ksa-id.ts`): one entry has all of them. IDs of any other form are found as well, at the
 * usual cost. Pure.
 */
import type { Use } from "./shapes.ts";

/** Keys on their way, to be looked at. */
export interface Uses {
  readonly size: number;
  /** @param id 32 hexadecimal digits */
  get(id: string): Use | undefined;
  has(id: string): boolean;
  values(): Iterable<Use>;
}

/** Hexadecimal digits of an ID that all of one request share. */
const stemLength = 28;
/** The rest counts from here to 0 again. */
const suffixes = 0x1_0000;

/** Keys whose IDs count up from the first. */
interface Run {
  readonly first: number;
  /** By place; a gap where one is gone. */
  readonly keys: (Use | undefined)[];
  live: number;
}

export class UseTable implements Uses {
  readonly #runs = new Map<string, Use | Run>();
  /** Of the form of a run, and out of its order. */
  readonly #others = new Map<string, Use>();
  #size = 0;

  get size(): number {
    return this.#size;
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  get(id: string): Use | undefined {
    const found = this.#runs.get(id.slice(0, stemLength));
    if (found === undefined) return undefined;
    const use = isRun(found) ? found.keys[placeOf(found.first, id)] : found;
    return use?.id === id ? use : this.#others.get(id);
  }

  /** @returns false if its ID is in it: nothing changes then */
  add(use: Use): boolean {
    const stem = use.id.slice(0, stemLength);
    const found = this.#runs.get(stem);
    if (found !== undefined && this.has(use.id)) return false;
    this.#size++;
    if (found === undefined) {
      this.#runs.set(stem, use);
      return true;
    }
    const run = isRun(found) ? found : { first: suffixOf(found.id), keys: [found], live: 1 };
    const place = placeOf(run.first, use.id);
    // Its own place is free, or it is next: a gap in front of it would be memory for nothing.
    if (place > run.keys.length || run.keys[place] !== undefined) {
      this.#others.set(use.id, use);
      return true;
    }
    run.keys[place] = use;
    run.live++;
    if (run !== found) this.#runs.set(stem, run);
    return true;
  }

  /** @returns whether it was there */
  delete(id: string): boolean {
    const use = this.get(id);
    if (use === undefined) return false;
    this.#size--;
    if (this.#others.delete(id)) return true;
    const stem = id.slice(0, stemLength);
    const found = this.#runs.get(stem) as Use | Run;
    if (isRun(found)) {
      found.keys[placeOf(found.first, id)] = undefined;
      found.live--;
      // While there are others of this stem they are found by it.
      if (found.live > 0 || this.#others.size > 0) return true;
    } else if (this.#others.size > 0) {
      this.#runs.set(stem, { first: suffixOf(id), keys: [undefined], live: 0 });
      return true;
    }
    this.#runs.delete(stem);
    return true;
  }

  /** In the order in which they came, those of one request together. Those that are deleted meanwhile are left out. */
  *values(): Generator<Use> {
    for (const found of this.#runs.values()) {
      if (!isRun(found)) yield found;
      else for (const use of found.keys) if (use !== undefined) yield use;
    }
    yield* this.#others.values();
  }
}

function isRun(found: Use | Run): found is Run {
  return "keys" in found;
}

function suffixOf(id: string): number {
  return Number.parseInt(id.slice(stemLength), 16);
}

function placeOf(first: number, id: string): number {
  return (suffixOf(id) - first + suffixes) % suffixes;
}
