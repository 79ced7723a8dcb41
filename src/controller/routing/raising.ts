/**
 * How max-min fair shares are found (`shares.ts`): all rates are raised together, and where there is no room others are
 * moved. Prices of links steer both: steep where little room is left.
 */

import type { Share, ShareDemand } from "./demand.ts";
import type { Graph } from "./graph.ts";

interface Way {
  readonly pair: number;
  readonly route: readonly number[];
  readonly links: Int32Array;
  rate: number;
}

interface Pair {
  readonly number: number;
  readonly demand: ShareDemand;
  readonly ways: Way[];
  rate: number;
  isFull: boolean;
}

/** Parts of its capacity to which a link is full. */
const rest = 1e-6;
/** Turns in which others are moved for one pair; how steep prices are. */
const mostSweeps = 16;
const steepness = 40;
/**
 * Prices that are looked up for moving others, at the most: a bound of time, some 20 ms. Small networks need far less;
 * in large ones what comes last is moved less.
 */
const mostWork = 3_000_000;
/** Ways of a pair that are tried. */
const mostWays = 12;
/** Part of its capacity that a link keeps back, so that moving for one another comes to an end. */
const margin = 0.03;
/** Rounds of all phases, at the most. */
const mostRounds = 400;

export class Raising {
  readonly #graph: Graph;
  readonly #hops: number;
  readonly #room: Float64Array;
  readonly #pairs: Pair[];
  /** Ways over a link. */
  readonly #over: Way[][];
  readonly #growth: number;
  #work = mostWork;
  /** {@link #softPrice} of each link. */
  readonly #soft: Float64Array;
  // Of searches, made once.
  readonly #before: Int32Array;
  readonly #depth: Int32Array;
  readonly #cost: Float64Array;
  readonly #queue: Int32Array;

  constructor(graph: Graph, hops: number, demands: readonly ShareDemand[], growth: number) {
    this.#growth = growth;
    this.#graph = graph;
    this.#hops = hops;
    this.#room = graph.capacity.map((capacity) => capacity * (1 - margin));
    this.#over = graph.links.map(() => []);
    this.#soft = graph.capacity.map((_, link) => this.#softPrice(link));
    const n = graph.nodes.length;
    this.#before = new Int32Array(n);
    this.#depth = new Int32Array(n);
    this.#cost = new Float64Array(n);
    this.#queue = new Int32Array(n);
    this.#pairs = demands.map((demand, number) => ({
      number,
      demand,
      ways: [],
      rate: 0,
      isFull: false,
    }));
    for (const [i, { routes }] of demands.entries())
      for (const route of routes) this.#addWay(i, route);
  }

  compute(): Share[] {
    const priorities = new Set(this.#pairs.map(({ demand }) => demand.priority));
    for (const one of [...priorities].sort((a, b) => b - a)) {
      this.#raise(
        this.#pairs.filter(
          ({ demand: { priority, guaranteed } }) => priority === one && guaranteed > 0,
        ),
        ({ demand: { guaranteed, most } }) => Math.min(guaranteed, most),
        ({ demand: { guaranteed } }) => guaranteed,
      );
    }
    const limit = ({ demand }: Pair) => demand.most;
    const weight = ({ demand }: Pair) => demand.weight;
    // Moving others may have made room for those that stopped before.
    for (let turn = 0; turn < 2; turn++) {
      for (const pair of this.#pairs) pair.isFull = false;
      this.#raise(this.#pairs, limit, weight);
    }
    return this.#pairs.map(({ rate, ways }) => ({
      rate,
      routes: ways.map((way) => ({ route: way.route, rate: way.rate })),
    }));
  }

  /** Rates of these grow together, in proportion to their weights, until each has its limit or no room. */
  #raise(
    pairs: readonly Pair[],
    limit: (pair: Pair) => number,
    weight: (pair: Pair) => number,
  ): void {
    const going = pairs.filter((pair) => pair.rate < limit(pair) && weight(pair) > 0);
    if (going.length === 0) return;
    let level = this.#firstLevel(going, weight);
    for (let round = 0; round < mostRounds; round++) {
      let isMoving = false;
      for (const pair of going) {
        if (pair.isFull) continue;
        const target = Math.min(limit(pair), level * weight(pair));
        if (target > pair.rate) this.#grow(pair, target - pair.rate);
        if (pair.rate >= limit(pair) * (1 - rest)) pair.isFull = true;
        isMoving ||= !pair.isFull;
      }
      if (!isMoving) return;
      this.#spread(pairs);
      level *= this.#growth;
    }
  }

  /** So low that all of them have room for it on any of their ways; none has less already. */
  #firstLevel(pairs: readonly Pair[], weight: (pair: Pair) => number): number {
    const wanted = new Float64Array(this.#room.length);
    let least = Number.POSITIVE_INFINITY;
    for (const pair of pairs) {
      const links = new Set(pair.ways.flatMap((way) => [...way.links]));
      for (const link of links) wanted[link] = (wanted[link] ?? 0) + weight(pair);
      least = Math.min(least, pair.rate / weight(pair));
    }
    let level = Number.POSITIVE_INFINITY;
    for (const [link, sum] of wanted.entries()) {
      if (sum > 0) level = Math.min(level, (this.#graph.capacity[link] ?? 0) / sum / 2);
    }
    // A way may have to be found first.
    if (!Number.isFinite(level) || level <= 0) level = 1;
    return Math.max(level, least);
  }

  #grow(pair: Pair, amount: number): void {
    let left = amount;
    const enough = amount * rest;
    for (let attempt = 0; attempt < 8 && left > enough; attempt++) {
      const way = this.#cheapest(pair);
      if (way === undefined) break;
      const put = Math.min(left, this.#roomOf(way));
      this.#put(way, put);
      left -= put;
    }
    for (let attempt = 0; attempt < 4 && left > enough; attempt++) {
      const made = this.#newWay(pair.number);
      if (made === undefined) break;
      const put = Math.min(left, this.#roomOf(made));
      this.#put(made, put);
      left -= put;
    }
    if (left > enough && !this.#squeeze(pair, left)) pair.isFull = true;
  }

  /**
   * Puts so much more of a pair on its ways though they are full, then moves what overloads links elsewhere, in turns
   * as long as that helps: some that hinder each other have to be moved together. @returns whether all found room
   */
  #squeeze(pair: Pair, amount: number): boolean {
    if (this.#work <= 0) return false;
    this.#work -= this.#room.length;
    const before = this.#pairs.map(({ ways }) => ways.map(({ rate }) => rate));
    const way = this.#softest(pair, undefined);
    if (way !== undefined) {
      this.#put(way, amount);
      for (let sweep = 0; sweep < mostSweeps && this.#work > 0; sweep++) {
        const over = this.#overloaded();
        if (over.length === 0) return true;
        let isMoved = false;
        for (const link of over) isMoved = this.#relieve(link) || isMoved;
        if (!isMoved) break;
      }
      if (this.#overloaded().length === 0) return true;
    }
    for (const [i, { ways }] of this.#pairs.entries()) {
      for (const [j, one] of ways.entries()) this.#put(one, (before[i]?.[j] ?? 0) - one.rate);
    }
    return false;
  }

  #overloaded(): number[] {
    const over: number[] = [];
    this.#work -= this.#room.length;
    for (const [link, room] of this.#room.entries()) {
      if (room < -(this.#graph.capacity[link] ?? 0) * margin) over.push(link);
    }
    return over;
  }

  /** Moves what a link has too much of to ways that cost less. @returns whether there was one */
  #relieve(link: number): boolean {
    let isMoved = false;
    for (const way of [...(this.#over[link] ?? [])]) {
      if ((this.#room[link] ?? 0) >= 0) return isMoved;
      if (way.rate <= 0) continue;
      const other = this.#softest(this.#pairs[way.pair] as Pair, way);
      if (other === undefined) continue;
      this.#level(way, other);
      isMoved = true;
    }
    return isMoved;
  }

  /** Moves as much from one way to another as makes both cost alike, or all. */
  #level(from: Way, to: Way): void {
    let moved = 0;
    let step = from.rate;
    for (let i = 0; i < 8; i++) {
      this.#put(from, -step);
      this.#put(to, step);
      moved += step;
      step = this.#softSum(from) < this.#softSum(to) ? -Math.abs(step) / 2 : Math.abs(step) / 2;
      if (moved + step > from.rate + moved) return;
    }
  }

  /** The way with the lowest price by {@link #softPrice}; one that is cheaper than `than`, if that is given. */
  #softest(pair: Pair, than: Way | undefined): Way | undefined {
    let best: Way | undefined;
    let least = than === undefined ? Number.POSITIVE_INFINITY : this.#softSum(than) * 0.98;
    for (const way of pair.ways) {
      const price = this.#softSum(way);
      if (price < least) [best, least] = [way, price];
    }
    if (this.#work <= 0 || !pair.demand.isFree || pair.ways.length >= mostWays) return best;
    const route = this.#cheapestRoute(pair.demand, least);
    return route === undefined ? best : this.#addWay(pair.number, route);
  }

  #softSum(way: Way): number {
    let sum = 0;
    for (const link of way.links) sum += this.#soft[link] ?? 0;
    this.#work -= way.links.length;
    return sum;
  }

  /** Low where there is room, steep where there is too much already. */
  #softPrice(link: number): number {
    const capacity = this.#graph.capacity[link] ?? 0;
    if (capacity <= 0) return Number.POSITIVE_INFINITY;
    return Math.exp((-steepness * (this.#room[link] ?? 0)) / capacity) / capacity;
  }

  /** Dijkstra's algorithm by those prices. @returns undefined unless it costs less than so much */
  #cheapestRoute({ from, to, mayUse }: ShareDemand, than: number): number[] | undefined {
    const { first, neighbour, linkTo, nodes } = this.#graph;
    const cost = this.#cost.fill(Number.POSITIVE_INFINITY);
    const isDone = this.#depth.fill(0);
    cost[from] = 0;
    for (;;) {
      this.#work -= nodes.length;
      let node = -1;
      let least = than * 0.98;
      for (let i = 0; i < nodes.length; i++) {
        if (isDone[i] === 0 && (cost[i] as number) < least) [node, least] = [i, cost[i] as number];
      }
      if (node < 0) return undefined;
      if (node === to) break;
      isDone[node] = 1;
      const until = first[node + 1] as number;
      for (let i = first[node] as number; i < until; i++) {
        const link = linkTo[i] as number;
        const next = neighbour[i] as number;
        if (mayUse !== undefined && !mayUse(link)) continue;
        const far = least + (this.#soft[link] as number);
        if (far >= (cost[next] as number)) continue;
        cost[next] = far;
        this.#before[next] = node;
      }
    }
    const route = this.#routeTo(from, to);
    return route.length - 1 > this.#hops ? undefined : route;
  }

  #routeTo(from: number, to: number): number[] {
    const route = [to];
    for (let at = to; at !== from; ) {
      at = this.#before[at] as number;
      route.push(at);
    }
    return route.reverse();
  }

  #newWay(pair: number): Way | undefined {
    const route = this.#found((this.#pairs[pair] as Pair).demand);
    return route === undefined ? undefined : this.#addWay(pair, route);
  }

  /** Each pair moves a part of its dearest way to its cheapest. */
  #spread(pairs: readonly Pair[]): void {
    for (const pair of pairs) {
      if (pair.ways.length < 2) continue;
      const to = this.#cheapest(pair);
      if (to === undefined) continue;
      let from: Way | undefined;
      let dearest = this.#price(to) * 1.1;
      for (const way of pair.ways) {
        const price = way.rate > 0 ? this.#price(way) : 0;
        if (price > dearest) [from, dearest] = [way, price];
      }
      if (from === undefined) continue;
      const moved = Math.min(from.rate * 0.25, this.#roomOf(to) * 0.5);
      this.#put(from, -moved);
      this.#put(to, moved);
    }
  }

  #cheapest(pair: Pair): Way | undefined {
    let best: Way | undefined;
    let least = Number.POSITIVE_INFINITY;
    for (const way of pair.ways) {
      const price = this.#price(way);
      if (price < least) [best, least] = [way, price];
    }
    return best;
  }

  /** What a way costs others: much where little room is left; no number where there is none. */
  #price(way: Way): number {
    let price = 0;
    for (const link of way.links) {
      const room = this.#room[link] ?? 0;
      const capacity = this.#graph.capacity[link] ?? 0;
      if (room <= capacity * rest) return Number.POSITIVE_INFINITY;
      price += 1 / room;
    }
    return price;
  }

  #roomOf(way: Way): number {
    let least = Number.POSITIVE_INFINITY;
    for (const link of way.links) least = Math.min(least, this.#room[link] ?? 0);
    return Math.max(0, least);
  }

  #put(way: Way, rate: number): void {
    way.rate += rate;
    (this.#pairs[way.pair] as Pair).rate += rate;
    for (const link of way.links) {
      this.#room[link] = (this.#room[link] ?? 0) - rate;
      this.#soft[link] = this.#softPrice(link);
    }
  }

  #addWay(pair: number, route: readonly number[]): Way {
    const links = new Int32Array(route.length - 1);
    for (let i = 0; i < links.length; i++) {
      links[i] = this.#graph.linkBetween(route[i] ?? -1, route[i + 1] ?? -1);
    }
    const way = { pair, route, links, rate: 0 };
    (this.#pairs[pair] as Pair).ways.push(way);
    for (const link of links) this.#over[link]?.push(way);
    return way;
  }

  /** The shortest way with room left. */
  #found({ from, to, isFree, mayUse }: ShareDemand): number[] | undefined {
    if (!isFree) return undefined;
    const { first, neighbour, linkTo, capacity } = this.#graph;
    const depth = this.#depth.fill(-1);
    const queue = this.#queue;
    depth[from] = 0;
    queue[0] = from;
    let end = 1;
    for (let at = 0; at < end && depth[to] === -1; at++) {
      const node = queue[at] as number;
      if ((depth[node] as number) >= this.#hops) break;
      const until = first[node + 1] as number;
      for (let i = first[node] as number; i < until; i++) {
        const next = neighbour[i] as number;
        const link = linkTo[i] as number;
        if (depth[next] !== -1) continue;
        // Crumbs are not worth a route.
        if ((this.#room[link] as number) <= (capacity[link] as number) * 0.01) continue;
        if (mayUse !== undefined && !mayUse(link)) continue;
        depth[next] = (depth[node] as number) + 1;
        this.#before[next] = node;
        queue[end++] = next;
      }
    }
    if (depth[to] === -1) return undefined;
    return this.#routeTo(from, to);
  }
}
