/** The shortest way over links that not all pairs may use. */
import type { Graph } from "./graph.ts";

/** By number of links alone: for pairs that may use links that others may not. */
export function shortestWithin(
  graph: Graph,
  from: number,
  to: number,
  mayUse: (link: number) => boolean,
): number[] | undefined {
  const before = new Map<number, number>([[from, -1]]);
  const queue = [from];
  for (const node of queue) {
    if (node === to) break;
    const until = graph.first[node + 1] ?? 0;
    for (let i = graph.first[node] ?? 0; i < until; i++) {
      const next = graph.neighbour[i] ?? 0;
      if (before.has(next) || !mayUse(graph.linkTo[i] ?? 0)) continue;
      before.set(next, node);
      queue.push(next);
    }
  }
  if (!before.has(to)) return undefined;
  const route: number[] = [];
  for (let at = to; at >= 0; at = before.get(at) ?? -1) route.unshift(at);
  return route;
}
