/** The links that may carry relays, by number: what routes are computed on. */

export interface GraphLink {
  readonly a: string;
  readonly b: string;
  /** bit/s that may be promised. */
  readonly capacity: number;
  /** Steps that it counts for: 1, or {@link scarceCost}. */
  readonly cost: number;
}

/** A link with little key is taken where the way around it is longer than this. */
export const scarceCost = 3;

export class Graph {
  readonly nodes: readonly string[];
  readonly links: readonly GraphLink[];
  readonly capacity: Float64Array;
  readonly cost: Int32Array;
  /** Of node `n`: its neighbours and the links to them stand from `first[n]` to `first[n + 1]`. */
  readonly first: Int32Array;
  readonly neighbour: Int32Array;
  readonly linkTo: Int32Array;
  readonly #number = new Map<string, number>();

  constructor(nodes: readonly string[], links: readonly GraphLink[]) {
    this.nodes = nodes;
    this.links = links;
    for (const [i, node] of nodes.entries()) this.#number.set(node, i);
    this.capacity = Float64Array.from(links, ({ capacity }) => capacity);
    this.cost = Int32Array.from(links, ({ cost }) => cost);
    const ends = links.map(({ a, b }) => [this.numberOf(a), this.numberOf(b)] as const);
    const first = new Int32Array(nodes.length + 1);
    for (const [a, b] of ends) {
      first[a + 1] = (first[a + 1] ?? 0) + 1;
      first[b + 1] = (first[b + 1] ?? 0) + 1;
    }
    for (let i = 0; i < nodes.length; i++) first[i + 1] = (first[i + 1] ?? 0) + (first[i] ?? 0);
    const next = first.slice();
    this.neighbour = new Int32Array(2 * links.length);
    this.linkTo = new Int32Array(2 * links.length);
    const put = (from: number, to: number, link: number) => {
      const at = next[from] ?? 0;
      next[from] = at + 1;
      this.neighbour[at] = to;
      this.linkTo[at] = link;
    };
    for (const [i, [a, b]] of ends.entries()) {
      put(a, b, i);
      put(b, a, i);
    }
    this.first = first;
  }

  /** -1: it is not in the graph. */
  numberOf(node: string): number {
    return this.#number.get(node) ?? -1;
  }

  /** Number of the link between two nodes; -1: there is none. */
  linkBetween(a: number, b: number): number {
    const until = this.first[a + 1] ?? 0;
    for (let i = this.first[a] ?? 0; i < until; i++) {
      if (this.neighbour[i] === b) return this.linkTo[i] ?? -1;
    }
    return -1;
  }

  names(route: readonly number[]): string[] {
    return route.map((node) => this.nodes[node] ?? "");
  }
}
