/**
 * The routes of a pair of KMs: those that a controller gave, then those of the configuration. One that failed is tried
 * after the others for a while. Pure.
 */
import type { Routing } from "../../wire/ck/state.ts";

/** KM IDs between the two, in order. */
export type Via = readonly string[];

/** A route that failed is tried after the others for so long, ms. */
const avoidMs = 10_000;
/** One whose keys were not the same at both ends, for so long: it says of itself that it works. */
const distrustMs = 600_000;
/** A controller that knew no route is asked again after the first, doubling to the second, ms. */
const firstAskMs = 500;
const lastAskMs = 10_000;

/** The same for the same KMs alone. */
export const nameOf = (via: Via) => via.join("\0");

/** Until when, by the names of routes: monotonic, ms. */
type Untils = Map<string, number>;

function isUntil(untils: Untils, via: Via, now: number): boolean {
  return (untils.get(nameOf(via)) ?? 0) > now;
}

function setUntil(untils: Untils, via: Via, now: number, until: number): void {
  // What failed once and is used no more is not remembered for ever.
  for (const [name, over] of untils) if (over <= now) untils.delete(name);
  untils.set(nameOf(via), until);
}

export class PairWays {
  readonly #routing: Routing;
  readonly #configured: readonly Via[];
  readonly #isReserved: (next: string) => boolean;
  readonly #avoid = new Map<string, number>();
  readonly #distrust = new Map<string, number>();
  #given: readonly Via[];
  #askNotBefore = Number.NEGATIVE_INFINITY;
  #askMs = firstAskMs;

  /**
   * @param known what the controller gave before a restart
   * @param isReserved whether the link to a KM is only for routes that a controller gave
   */
  constructor(
    routing: Routing,
    configured: readonly Via[],
    known: readonly Via[] = [],
    isReserved: (next: string) => boolean = () => false,
  ) {
    this.#routing = routing;
    this.#configured = configured;
    this.#isReserved = isReserved;
    this.#given = routing === "configuration" ? [] : known;
  }

  get routing(): Routing {
    return this.#routing;
  }

  /** What a controller gave last, the best first. */
  get given(): readonly Via[] {
    return this.#given;
  }

  /** There is a route, or one may be asked for. */
  get any(): boolean {
    return this.#routing !== "configuration" || this.#configured.length > 0;
  }

  /** A controller says which way. @returns whether it is another way than before */
  give(ways: readonly Via[]): boolean {
    const before = this.#given.map(nameOf).join("\n");
    this.#given = ways;
    for (const via of ways) this.#avoid.delete(nameOf(via));
    this.#askMs = firstAskMs;
    return before !== ways.map(nameOf).join("\n");
  }

  /** The routes in the order in which they are to be tried. @param now monotonic, ms */
  list(now: number): Via[] {
    const seen = new Set<string>();
    const configured = this.#configured.filter(([next]) => {
      return next === undefined || !this.#isReserved(next);
    });
    const all = [...this.#given, ...configured].filter((via) => {
      const isNew = !seen.has(nameOf(via));
      seen.add(nameOf(via));
      return isNew;
    });
    const rank = (via: Via) =>
      (isUntil(this.#distrust, via, now) ? 2 : 0) + (isUntil(this.#avoid, via, now) ? 1 : 0);
    return all.sort((a, b) => rank(a) - rank(b));
  }

  /** No way is known that a controller gave and that did not just fail: it is to be asked. */
  mayAsk(now: number): boolean {
    if (this.#routing === "configuration" || now < this.#askNotBefore) return false;
    return this.#given.every((via) => isUntil(this.#avoid, via, now));
  }

  /** It was asked, and no way came of it. */
  askedInVain(now: number): void {
    this.#askNotBefore = now + this.#askMs;
    this.#askMs = Math.min(lastAskMs, this.#askMs * 2);
  }

  /** A controller is there again: it may be asked at once. */
  askAgain(): void {
    this.#askNotBefore = Number.NEGATIVE_INFINITY;
    this.#askMs = firstAskMs;
  }

  failed(via: Via, now: number): void {
    setUntil(this.#avoid, via, now, now + avoidMs);
  }

  /** A key that came by it was another one, or none. That later ones come says nothing. */
  distrust(via: Via, now: number): void {
    this.failed(via, now);
    setUntil(this.#distrust, via, now, now + distrustMs);
  }

  /** What a destination says of its keys is not enough. @param now monotonic, ms */
  isDistrusted(via: Via, now: number): boolean {
    return isUntil(this.#distrust, via, now);
  }

  worked(via: Via): void {
    this.#avoid.delete(nameOf(via));
  }
}
