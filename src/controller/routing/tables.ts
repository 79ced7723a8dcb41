/**
 * Widest-shortest routes between all nodes: of the ways with the fewest steps the one whose narrowest link has most to
 * give. For each destination they are a tree, so who goes from node to node by them comes no node twice.
 */
import type { Graph } from "./graph.ts";

export class Tables {
  readonly graph: Graph;
  /** Of `destination * n + node`: steps to go, -1 if there is no way; the next node; width of the narrowest link. */
  readonly #steps: Int32Array;
  readonly #next: Int32Array;
  readonly #width: Float64Array;

  constructor(graph: Graph) {
    const n = graph.nodes.length;
    this.graph = graph;
    this.#steps = new Int32Array(n * n).fill(-1);
    this.#next = new Int32Array(n * n).fill(-1);
    this.#width = new Float64Array(n * n);
    const longest = graph.cost.reduce((most, cost) => Math.max(most, cost), 1);
    const buckets = Array.from({ length: longest + 1 }, () => new Int32Array(n));
    const fill = new Int32Array(longest + 1);
    for (let to = 0; to < n; to++) this.#tree(to, buckets, fill);
  }

  /** Steps from one node to another; -1: there is no way. */
  steps(from: number, to: number): number {
    return this.#steps[to * this.graph.nodes.length + from] ?? -1;
  }

  next(from: number, to: number): number {
    return this.#next[to * this.graph.nodes.length + from] ?? -1;
  }

  width(from: number, to: number): number {
    return this.#width[to * this.graph.nodes.length + from] ?? 0;
  }

  /** Both ends included; undefined: there is none. */
  route(from: number, to: number): number[] | undefined {
    if (this.steps(from, to) < 0) return undefined;
    const route = [from];
    for (let at = from; at !== to; ) {
      at = this.next(at, to);
      route.push(at);
    }
    return route;
  }

  /** Up to `most` routes with other first steps, the best first. */
  alternatives(from: number, to: number, most: number): number[][] {
    const { first, neighbour, linkTo, capacity, cost } = this.graph;
    const found: { route: number[]; steps: number; width: number }[] = [];
    const until = first[from + 1] ?? 0;
    for (let i = first[from] ?? 0; i < until; i++) {
      const next = neighbour[i] ?? 0;
      const link = linkTo[i] ?? 0;
      const rest = this.route(next, to);
      if (rest === undefined || rest.includes(from)) continue;
      found.push({
        route: [from, ...rest],
        steps: this.steps(next, to) + (cost[link] ?? 1),
        width: Math.min(this.#widthOf(next, to), capacity[link] ?? 0),
      });
    }
    found.sort((one, other) => one.steps - other.steps || other.width - one.width);
    return found.slice(0, most).map(({ route }) => route);
  }

  /** To itself a node has no narrowest link. */
  #widthOf(from: number, to: number): number {
    return from === to ? Number.POSITIVE_INFINITY : this.width(from, to);
  }

  /** Dijkstra's algorithm with Dial's buckets: steps are small whole numbers. */
  #tree(to: number, buckets: readonly Int32Array[], fill: Int32Array): void {
    const { first, neighbour, linkTo, cost, capacity, nodes } = this.graph;
    const n = nodes.length;
    const base = to * n;
    const steps = this.#steps;
    const next = this.#next;
    const width = this.#width;
    const rounds = buckets.length;
    steps[base + to] = 0;
    width[base + to] = Number.POSITIVE_INFINITY;
    fill.fill(0);
    (buckets[0] as Int32Array)[0] = to;
    fill[0] = 1;
    let waiting = 1;
    for (let distance = 0; waiting > 0; distance++) {
      const turn = distance % rounds;
      const bucket = buckets[turn] as Int32Array;
      const count = fill[turn] as number;
      fill[turn] = 0;
      waiting -= count;
      for (let i = 0; i < count; i++) {
        const node = bucket[i] as number;
        // It was reached by fewer steps meanwhile.
        if (steps[base + node] !== distance) continue;
        const wide = width[base + node] as number;
        const until = first[node + 1] as number;
        for (let j = first[node] as number; j < until; j++) {
          const other = neighbour[j] as number;
          const link = linkTo[j] as number;
          const far = distance + (cost[link] as number);
          const narrowest = Math.min(wide, capacity[link] as number);
          const known = steps[base + other] as number;
          if (
            known >= 0 &&
            (known < far || (known === far && (width[base + other] as number) >= narrowest))
          ) {
            continue;
          }
          steps[base + other] = far;
          next[base + other] = node;
          width[base + other] = narrowest;
          if (known === far) continue;
          const later = far % rounds;
          const place = fill[later] as number;
          (buckets[later] as Int32Array)[place] = other;
          fill[later] = place + 1;
          waiting++;
        }
      }
    }
    width[base + to] = 0;
  }
}
