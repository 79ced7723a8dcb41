/** The way between two nodes that costs least by prices of links, with no more links than it may have. */
import type { ShareDemand } from "./demand.ts";
import type { Graph } from "./graph.ts";
import type { Work } from "./simplex.ts";

export class WaySearch {
  readonly #graph: Graph;
  readonly #hops: number;
  readonly #work: Work;
  readonly #cost: Float64Array;
  /** Of `hop * nodes + node`: where the way came from that reached it with so many links. */
  readonly #before: Int32Array;
  /** Hop at which a node was put into the list of the next one. */
  readonly #listed: Int32Array;
  /** Nodes whose cost went down at a hop, and what it was then: of this hop, and of the next. */
  #reached: Int32Array;
  #next: Int32Array;
  readonly #spent: Float64Array;

  /** @param hops links of a way at the most @param work is used up by searches */
  constructor(graph: Graph, hops: number, work: Work) {
    const n = graph.nodes.length;
    this.#graph = graph;
    this.#hops = Math.min(hops, n);
    this.#work = work;
    this.#cost = new Float64Array(n);
    this.#before = new Int32Array((this.#hops + 1) * n);
    this.#listed = new Int32Array(n);
    this.#reached = new Int32Array(n);
    this.#next = new Int32Array(n);
    this.#spent = new Float64Array(n);
  }

  /**
   * By number of links, one after another (Bellman and Ford).
   * @param prices none is negative @returns its nodes; undefined unless it costs less than `most`
   */
  cheapest(
    { from, to, mayUse }: Pick<ShareDemand, "from" | "to" | "mayUse">,
    prices: Float64Array,
    most: number,
  ): number[] | undefined {
    const { first, neighbour, linkTo, nodes } = this.#graph;
    const cost = this.#cost.fill(most);
    const listed = this.#listed.fill(0);
    cost[from] = 0;
    this.#reached[0] = from;
    let count = 1;
    let found = 0;
    for (let hop = 1; hop <= this.#hops && count > 0; hop++) {
      const [reached, next] = [this.#reached, this.#next];
      for (let i = 0; i < count; i++) this.#spent[i] = cost[reached[i] as number] as number;
      let after = 0;
      for (let i = 0; i < count; i++) {
        const node = reached[i] as number;
        const until = first[node + 1] as number;
        this.#work.left -= until - (first[node] as number);
        for (let j = first[node] as number; j < until; j++) {
          const link = linkTo[j] as number;
          const there = neighbour[j] as number;
          const price = (this.#spent[i] as number) + (prices[link] as number);
          // What costs more than the end does leads nowhere better.
          if (price >= (cost[there] as number) || price >= (cost[to] as number)) continue;
          if (mayUse !== undefined && !mayUse(link)) continue;
          cost[there] = price;
          this.#before[hop * nodes.length + there] = node;
          if (there === to) found = hop;
          else if (listed[there] !== hop) {
            listed[there] = hop;
            next[after++] = there;
          }
        }
      }
      [this.#reached, this.#next, count] = [next, reached, after];
    }
    if (found === 0) return undefined;
    const route = [to];
    for (let hop = found, at = to; hop > 0; hop--) {
      at = this.#before[hop * nodes.length + at] as number;
      route.push(at);
    }
    return route.reverse();
  }
}
