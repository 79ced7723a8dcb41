/**
 * What applications hold of the stock and of the memory of both key managers: keys that they were given, or ask for,
 * and that their partners have not fetched yet. Who asks and never fetches costs no other application its keys. Pure.
 */
import { bytesOf } from "../store/ranges.ts";
import { setOf } from "../store/sae-set.ts";
import type { Uses } from "../store/use-table.ts";
import type { Application } from "./table.ts";

/** So many an application may hold also where all together hold as many as they may. */
const few = 256;
/** What was fetched since is seen at the next count, so long after the last one at the soonest, ms. */
const countEveryMs = 1_000;

/** A link, as far as its keys are counted. */
export interface CountedLink {
  readonly name: string;
  readonly core: { readonly books: { readonly uses: Pick<Uses, "size" | "values"> } };
}

/** Keys, and all their bits. */
export interface Amount {
  readonly keys: number;
  readonly bits: number;
}

/** An application, and how much of a link it may hold. */
export type Holder = Pick<Application, "id" | "outstandingKeys" | "outstandingBits">;

/** To be told once whether the keys were given. */
export type Held = (given: boolean) => void;

interface OfLink {
  /** By application: given and not fetched, by the last count and since. */
  readonly given: Map<string, Amount>;
  /** By application: asked for, and not answered yet. */
  readonly asked: Map<string, Amount>;
  countedAt: number;
}

export class Outstanding {
  readonly #all: readonly CountedLink[];
  readonly #most: number;
  readonly #links = new Map<string, OfLink>();

  /**
   * @param links all there are
   * @param most keys on their way over all of them, of all applications together: each takes memory at both ends
   */
  constructor(links: readonly CountedLink[], most: number) {
    this.#all = links;
    this.#most = most;
  }

  /**
   * Asks for keys of a link. All keys on their way are looked at only when an application would else be refused.
   * @param now monotonic, ms
   * @returns why not, if it, or all together, would hold more than they may
   */
  hold(link: CountedLink, holder: Holder, asks: Amount, now: number): Held | string {
    const onTheirWay = this.#all.reduce((sum, { core }) => sum + core.books.uses.size, 0);
    const isFull = onTheirWay + asks.keys > this.#most;
    const of = this.#links.get(link.name) ?? this.#begin(link, now);
    const { id } = holder;
    const whyNot = () => {
      const { keys, bits } = sum(sum(asks, of.given.get(id)), of.asked.get(id));
      const { outstandingKeys = keys, outstandingBits = bits } = holder;
      const isTooMuch = keys > outstandingKeys || bits > outstandingBits;
      if (isTooMuch) return "too many keys of the SAE are not fetched yet";
      return isFull && keys > few ? "too many keys are not fetched yet" : undefined;
    };
    if (whyNot() !== undefined && now - of.countedAt >= countEveryMs) count(of, link, now);
    const why = whyNot();
    if (why !== undefined) return why;
    add(of.asked, id, asks);
    return (given) => {
      add(of.asked, id, { keys: -asks.keys, bits: -asks.bits });
      if (given) add(of.given, id, asks);
    };
  }

  #begin(link: CountedLink, now: number): OfLink {
    const of: OfLink = { given: new Map(), asked: new Map(), countedAt: now };
    this.#links.set(link.name, of);
    count(of, link, now);
    return of;
  }
}

function count(of: OfLink, { core }: CountedLink, now: number): void {
  of.countedAt = now;
  of.given.clear();
  let last: { readonly request: string; readonly master: string | undefined } | undefined;
  for (const { count: keys, owner, state, fate, request, ranges } of core.books.uses.values()) {
    if (!owner || state !== "S" || fate !== undefined || request === undefined) continue;
    if (last?.request !== request) last = { request, master: setOf(request)?.[0] };
    if (last.master !== undefined) {
      add(of.given, last.master, { keys, bits: bytesOf(ranges) * 8 });
    }
  }
}

function sum(one: Amount, other: Amount | undefined): Amount {
  if (other === undefined) return one;
  return { keys: one.keys + other.keys, bits: one.bits + other.bits };
}

/** What is nothing is not kept: there are as many entries as applications that hold keys. */
function add(map: Map<string, Amount>, application: string, amount: Amount): void {
  const all = sum(amount, map.get(application));
  if (all.keys <= 0) map.delete(application);
  else map.set(application, all);
}
