/**
 * Max-min fair shares: rates of all pairs are raised together, and one stops where no way has room left for it, also not
 * by moving others to ways of theirs that have. Guarantees come first, by priority. That is computed exactly
 * (`filled.ts`), in slices; in very large networks by moving (`raising.ts`). What comes out is feasible by construction.
 */

import type { Share, ShareDemand } from "./demand.ts";
import { Filled } from "./filled.ts";
import type { Graph } from "./graph.ts";
import { Raising } from "./raising.ts";
import type { Work } from "./simplex.ts";

/** Where rates are raised and others moved, they grow by this from one round to the next. */
const growth = 1.2;
/** Pairs and links together over which a network is so large that its linear programs would take too much memory. */
const large = 1_000;
/** Numbers computed in one slice: some 10 to 30 ms. */
export const slice = 8_000_000;
/** Slices of linear programs at the most: 100 nodes with 300 links and 100 pairs need some 250. */
const mostSlices = 1_000;
/** Part of what linear programs found in that time that is asked for by moving, which keeps a little room on each link. */
const kept = 0.96;

/** So many pairs in so large a network that shares are computed less finely, to be quick. */
export function isRough(graph: Graph, pairs: number): boolean {
  return graph.links.length + pairs > large;
}

/**
 * In slices, each as long as `work` lasts.
 * @param hops links of a route at the most
 */
export function* fairShares(
  graph: Graph,
  hops: number,
  demands: readonly ShareDemand[],
  work: Work,
): Generator<undefined, Share[]> {
  if (isRough(graph, demands.length)) return moved(graph, hops, demands);
  const filled = new Filled(graph, hops, demands, work);
  const steps = filled.compute();
  for (let i = 0; i < mostSlices; i++) {
    const { value } = steps.next();
    if (value !== undefined) return value;
    yield;
  }
  return moved(graph, hops, goingOn(demands, filled.found()));
}

function moved(graph: Graph, hops: number, demands: readonly ShareDemand[]): Share[] {
  return new Raising(graph, hops, demands, growth).compute();
}

/** What linear programs found in their time is kept: it comes first. Guarantees of classes say otherwise what does. */
function goingOn(demands: readonly ShareDemand[], found: readonly Share[]): readonly ShareDemand[] {
  if (demands.some(({ guaranteed }) => guaranteed > 0)) return demands;
  return demands.map((demand, i) => {
    const { rate = 0, routes = [] } = found[i] ?? {};
    const known = routes.filter((one) => one.rate > 0).map(({ route }) => route);
    return { ...demand, guaranteed: rate * kept, routes: known.length > 0 ? known : demand.routes };
  });
}

/**
 * The least shares decide, then the next; those that differ by less than a part of them count as alike. Of two, each
 * cannot be fairer than the other.
 */
export function fairer(
  one: readonly Share[],
  other: readonly Share[],
  weights: readonly number[],
  alike: number,
): boolean {
  const sorted = (shares: readonly Share[]) =>
    shares
      .map(({ rate }, i) => rate / Math.max(weights[i] ?? 1, Number.MIN_VALUE))
      .sort((a, b) => a - b);
  const theirs = sorted(other);
  for (const [i, rate] of sorted(one).entries()) {
    const there = theirs[i] ?? 0;
    if (Math.max(rate, there) > Math.min(rate, there) * (1 + alike)) return rate > there;
  }
  return false;
}
