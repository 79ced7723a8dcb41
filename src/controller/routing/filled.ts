/**
 * Max-min fair shares: the level of all rates is raised by a linear program until pairs hinder it; those stay where
 * they are, and the rest is raised further, from where the program is. What was reached is kept by never using again what
 * would cost of it. Ways are found as they are needed: one whose links cost less, by the prices of the program, than
 * what the pair would give for it. Last of all the shortest ways are taken by which all have what they have.
 */
import type { Share, ShareDemand } from "./demand.ts";
import type { Graph } from "./graph.ts";
import { Program, type Work } from "./simplex.ts";
import { WaySearch } from "./way-search.ts";

/** A price below this is none. */
const tiny = 1e-7;
/** A way has to cost less than it is worth by this part. */
const gain = 0.02;
/** What an earlier level would lose counts so much more than what this one gains, at the least. */
const earlier = 1e4;
/** Searches for a way of a pair in one round, while what is found would take from earlier levels. */
const attempts = 4;
/** So much more than at first does a level count at the most. */
const mostScale = 1e6;

interface Way {
  readonly pair: number;
  readonly route: readonly number[];
  readonly links: readonly number[];
  /** Of the program. */
  variable: number;
}

/** What pairs would give for more, and what links cost: of levels that were reached, all together. */
interface Prices {
  readonly worth: Float64Array;
  readonly links: Float64Array;
}

export class Filled {
  readonly #work: Work;
  readonly #graph: Graph;
  readonly #demands: readonly ShareDemand[];
  readonly #search: WaySearch;
  readonly #ways: Way[] = [];
  readonly #known = new Set<string>();
  /** bit/s that count as 1: numbers of about 1 keep the arithmetic good. */
  readonly #unit: number;
  /** What each pair has for certain, in units. */
  readonly #floor: Float64Array;
  /** Rows: pairs, with what they have at least; links, with their capacity; bounds of levels. */
  readonly #program: Program;
  /** Variables of levels. */
  readonly #levels: number[] = [];
  readonly #before: Prices;
  /** Of each level: its prices, and how much they count among all of {@link #before}. */
  readonly #past: Float64Array[] = [];
  readonly #scales: number[] = [];

  /** @param hops links of a way at the most @param work a slice of the computation ends when it is used up */
  constructor(graph: Graph, hops: number, demands: readonly ShareDemand[], work: Work) {
    this.#work = work;
    this.#graph = graph;
    this.#demands = demands;
    this.#search = new WaySearch(graph, hops, work);
    this.#unit = graph.capacity.reduce((most, capacity) => Math.max(most, capacity), 1);
    this.#floor = new Float64Array(demands.length);
    this.#before = {
      worth: new Float64Array(demands.length),
      links: new Float64Array(graph.links.length),
    };
    this.#program = new Program(
      [
        ...demands.map(() => 0),
        ...Array.from(graph.capacity, (capacity) => Math.max(0, capacity) / this.#unit),
      ],
      work,
    );
  }

  /** In slices, each as long as there is work left. */
  *compute(): Generator<undefined, Share[]> {
    const all = this.#begin();
    const priorities = new Set(all.map((i) => this.#demand(i).priority));
    for (const one of [...priorities].sort((a, b) => b - a)) {
      yield* this.#raise(
        all.filter((i) => this.#demand(i).priority === one && this.#demand(i).guaranteed > 0),
        ({ guaranteed, most }) => Math.min(guaranteed, most),
        ({ guaranteed }) => guaranteed,
      );
    }
    yield* this.#raise(
      all.filter((i) => this.#demand(i).weight > 0),
      ({ most }) => most,
      ({ weight }) => weight,
    );
    const unit = 1 / (1 + this.#floor.reduce((sum, floor) => sum + floor, 0));
    const steps = new Map(this.#ways.map(({ variable, links }) => [variable, links.length * unit]));
    this.#program.aim((variable) => -(steps.get(variable) ?? 0));
    while (!this.#program.solve()) yield;
    return this.found();
  }

  /** What was found so far: feasible, if not yet fair. */
  found(): Share[] {
    const x = this.#program.values();
    const rates = this.#fitting(this.#ways.map(({ variable }) => (x[variable] ?? 0) * this.#unit));
    const routes = this.#demands.map((): { route: readonly number[]; rate: number }[] => []);
    for (const [j, { pair, route }] of this.#ways.entries()) {
      routes[pair]?.push({ route, rate: rates[j] ?? 0 });
    }
    return routes.map((some) => ({
      rate: some.reduce((sum, { rate }) => sum + rate, 0),
      routes: some,
    }));
  }

  /** Each pair with its ways. @returns those that have one */
  #begin(): number[] {
    const even = new Float64Array(this.#graph.links.length).fill(1);
    return this.#demands.flatMap((demand, pair) => {
      for (const route of demand.routes) this.#addWay(pair, route);
      const isThere = this.#ways.at(-1)?.pair === pair;
      if (!isThere && demand.isFree) {
        const route = this.#search.cheapest(demand, even, Number.POSITIVE_INFINITY);
        if (route !== undefined) this.#addWay(pair, route);
      }
      const first = this.#ways.find((way) => way.pair === pair);
      if (first === undefined) return [];
      this.#program.enter(first.variable, pair);
      return pair;
    });
  }

  /** Rates of these grow together, in proportion to their weights, until each has its limit or no room. */
  *#raise(
    pairs: readonly number[],
    limit: (demand: ShareDemand) => number,
    weight: (demand: ShareDemand) => number,
  ): Generator<undefined, void> {
    const heaviest = pairs.reduce((most, i) => Math.max(most, weight(this.#demand(i))), 0);
    const part = new Map(pairs.map((i) => [i, weight(this.#demand(i)) / heaviest]));
    const end = new Map(
      [...part].map(([i, one]) => [i, limit(this.#demand(i)) / this.#unit / one]),
    );
    /** Levels at which pairs are raised that have more already. */
    const start = new Map([...part].map(([i, one]) => [i, (this.#floor[i] as number) / one]));
    const waiting = new Set(pairs.filter((i) => (start.get(i) as number) < (end.get(i) as number)));
    const going = new Map<number, number>();
    let level = 0;
    for (;;) {
      for (const i of waiting) {
        if ((start.get(i) as number) > level * (1 + tiny)) continue;
        waiting.delete(i);
        // What it would have more, others that had to stop for it would have less.
        if ((this.#before.worth[i] as number) <= tiny) going.set(i, part.get(i) as number);
      }
      const next = [...waiting].reduce(
        (least, i) => Math.min(least, start.get(i) as number),
        [...going.keys()].reduce(
          (least, i) => Math.min(least, end.get(i) as number),
          Number.POSITIVE_INFINITY,
        ),
      );
      if (going.size === 0) {
        if (waiting.size === 0) return;
        level = next;
        continue;
      }
      const { step, hinder } = yield* this.#level(going, next - level);
      level += step;
      const isMet = level >= next * (1 - tiny);
      for (const [i, one] of going) {
        const isFull = isMet && (end.get(i) as number) <= next * (1 + tiny);
        this.#floor[i] = level * one;
        if (isFull || hinder.has(i) || (!isMet && hinder.size === 0)) going.delete(i);
      }
      if (isMet) level = next;
    }
  }

  /** The highest level of some pairs above that of before, over all ways. */
  *#level(
    going: ReadonlyMap<number, number>,
    most: number,
  ): Generator<undefined, { readonly step: number; readonly hinder: ReadonlySet<number> }> {
    const program = this.#program;
    const variable = program.add([...going]);
    if (Number.isFinite(most)) program.bound(variable, Math.max(0, most));
    program.aim((one) => (one === variable ? 1 : 0));
    this.#levels.push(variable);
    let prices: Float64Array;
    do {
      while (!program.solve()) yield;
      prices = program.prices();
    } while (yield* this.#findWays(prices));
    this.#remember(prices);
    const step = program.values()[variable] as number;
    program.lock();
    const hinder = [...going].filter(([i, one]) => one * (prices[i] as number) > tiny);
    return { step, hinder: new Set(hinder.map(([i]) => i)) };
  }

  /**
   * Adds, for each pair, the way that costs least by these prices, if that is less than it is worth, and if earlier
   * levels lose nothing by it.
   */
  *#findWays(prices: Float64Array): Generator<undefined, boolean> {
    let sum = this.#sum(prices);
    let isFound = false;
    for (const [pair, demand] of this.#demands.entries()) {
      const now = prices[pair] as number;
      if (!demand.isFree || (now <= tiny && (this.#before.worth[pair] as number) <= tiny)) continue;
      for (let attempt = 0; attempt < attempts; attempt++) {
        const then = (this.#before.worth[pair] as number) * sum.times;
        const most = now - Math.abs(now) * gain + then;
        const route = this.#search.cheapest(demand, sum.costs, most);
        const added = route === undefined ? "known" : this.#addWay(pair, route);
        if (added === "added") isFound = true;
        if (typeof added === "string") break;
        // A level would lose by it: that one counts for more, and those before it.
        for (let i = 0; i <= added; i++) {
          this.#scales[i] = Math.min(mostScale, (this.#scales[i] as number) * 10);
        }
        this.#recall();
        sum = this.#sum(prices);
      }
      if (this.#work.left <= 0) yield;
    }
    return isFound;
  }

  /** Prices of now and of earlier levels together, of links; those of earlier levels count so often. */
  #sum(prices: Float64Array): { readonly times: number; readonly costs: Float64Array } {
    const { worth, links } = this.#before;
    const times = Math.max(earlier, 10 * this.#least(prices));
    const costs = links.map((one, i) => {
      return Math.max(0, (prices[worth.length + i] as number) + one * times);
    });
    return { times, costs };
  }

  /** So often do prices of earlier levels count that none of the sum of both is below 0. */
  #least(prices: Float64Array): number {
    const { worth, links } = this.#before;
    let least = 0;
    for (const [i, now] of prices.entries()) {
      const then = (i < worth.length ? worth[i] : links[i - worth.length]) ?? 0;
      if (now < -tiny && then > tiny) least = Math.max(least, -now / then);
    }
    return least;
  }

  /** A level was reached. */
  #remember(prices: Float64Array): void {
    this.#past.push(prices);
    this.#scales.push(1 / Math.max(1, 2 * this.#least(prices)));
    this.#recall();
  }

  /** What all levels together say, each by its scale. */
  #recall(): void {
    const { worth, links } = this.#before;
    worth.fill(0);
    links.fill(0);
    for (const [t, prices] of this.#past.entries()) {
      const part = this.#scales[t] as number;
      for (let i = 0; i < worth.length; i++) {
        worth[i] = (worth[i] as number) + part * (prices[i] as number);
      }
      for (let i = 0; i < links.length; i++) {
        links[i] = (links[i] as number) + part * (prices[worth.length + i] as number);
      }
    }
  }

  /** @returns the first level that would lose by it, if one would: then it is not added */
  #addWay(pair: number, route: readonly number[]): "added" | "known" | number {
    const name = `${pair} ${route.join(" ")}`;
    if (this.#known.has(name)) return "known";
    this.#known.add(name);
    const links = route
      .slice(1)
      .map((node, i) => this.#graph.linkBetween(route[i] as number, node));
    if (links.length === 0 || links.some((link) => link < 0)) return "known";
    const variable = this.#program.add([
      [pair, -1],
      ...links.map((link) => [this.#demands.length + link, 1] as const),
    ]);
    const bad = this.#levels.findIndex((level) => this.#program.factor(level, variable) > tiny);
    if (bad >= 0) {
      this.#program.remove(variable);
      return bad;
    }
    this.#ways.push({ pair, route, links, variable });
    return "added";
  }

  /** Rates of ways, less where rounding has put too much on a link that is narrow beside others. */
  #fitting(rates: readonly number[]): number[] {
    const { capacity } = this.#graph;
    const load = new Float64Array(capacity.length);
    for (const [j, { links }] of this.#ways.entries()) {
      for (const link of links) load[link] = (load[link] ?? 0) + (rates[j] ?? 0);
    }
    const part = load.map((sum, link) => (sum > 0 ? Math.min(1, (capacity[link] ?? 0) / sum) : 1));
    return this.#ways.map(({ links }, j) => {
      return (rates[j] ?? 0) * links.reduce((least, link) => Math.min(least, part[link] ?? 0), 1);
    });
  }

  #demand(pair: number): ShareDemand {
    return this.#demands[pair] as ShareDemand;
  }
}
