/** Whether key managers can take a route: the message that passes a key on has only so much room for their IDs. Pure. */
import { limits } from "../../wire/ck/names.ts";
import type { ShareDemand } from "./demand.ts";
import type { Graph } from "./graph.ts";
import { WaySearch } from "./way-search.ts";

/** @param route KM IDs, both ends included @returns why none takes it; undefined if they do */
export function routeProblem(route: readonly string[]): string | undefined {
  const { routeKms, routeBytes, idBytes } = limits;
  if (route.length > routeKms) {
    return `a route of ${route.length} key managers: ${routeKms} at the most, both ends included`;
  }
  // Most are so short that nothing is to be counted.
  if (route.length * idBytes <= routeBytes) return undefined;
  const bytes = route.reduce((sum, km) => sum + Buffer.byteLength(km), 0);
  if (bytes <= routeBytes) return undefined;
  return `a route whose KM IDs have ${bytes} bytes: ${routeBytes} at the most, both ends included`;
}

/**
 * The shortest way if it is taken, or else the one whose KM IDs are shortest. If that one is none either, there is no other.
 * @param hops links of it at the most
 */
export function fittingWay(
  graph: Graph,
  shortest: number[],
  demand: Pick<ShareDemand, "from" | "to" | "mayUse">,
  hops: number,
): number[] | undefined {
  const isTooLong = shortest.length - 1 > hops;
  if (!isTooLong && routeProblem(graph.names(shortest)) === undefined) return shortest;
  // Over links that cost alike no way has fewer: one search for each such pair would hold up a large network for seconds.
  if (isTooLong && graph.cost.every((cost) => cost === 1)) return undefined;
  // Each KM between has two links of the way: half of its bytes are each one's price.
  const prices = Float64Array.from(graph.links, ({ a, b }) => {
    return (Buffer.byteLength(a) + Buffer.byteLength(b)) / 2;
  });
  const search = new WaySearch(graph, hops, { left: 0 });
  const way = search.cheapest(demand, prices, Number.POSITIVE_INFINITY);
  return way !== undefined && routeProblem(graph.names(way)) === undefined ? way : undefined;
}

/** @param a KM ID, as `b` @returns why routes that are set by hand are none of this pair; undefined if they are */
export function manualProblem(
  a: string,
  b: string,
  routes: readonly (readonly string[])[],
): string | undefined {
  for (const route of routes) {
    const isOne = route[0] === a && route.at(-1) === b && new Set(route).size === route.length;
    const wrong = isOne ? routeProblem(route) : "not a route of this pair";
    if (wrong !== undefined) return wrong;
  }
  const isTwice = new Set(routes.map(String)).size !== routes.length;
  return isTwice ? "a route is there twice" : undefined;
}
