/**
 * The next hops of a relay whose way is asked for at each key manager (Q.4164 §7.1). Whichever of them is taken, and
 * whatever the next key manager then takes, the relay comes nowhere twice as long as routes stay as they are.
 */
import type { Tables } from "./tables.ts";

/**
 * @param me where the relay is @param route from source to destination, if the pair has one
 * @returns numbers of nodes, the best first; empty: there is no way
 */
export function nextHops(
  tables: Tables,
  me: number,
  to: number,
  route: readonly number[] | undefined,
): number[] {
  const place = route?.indexOf(me) ?? -1;
  if (route !== undefined && place >= 0) {
    const next = route[place + 1];
    if (next === undefined) return [];
    const rest = downhill(tables, me, to).filter((one) => {
      return one !== next && joinsAfter(tables, one, to, route, place);
    });
    return [next, ...rest];
  }
  return downhill(tables, me, to);
}

/** Neighbours from which it is less far. */
function downhill(tables: Tables, me: number, to: number): number[] {
  const { first, neighbour } = tables.graph;
  const here = tables.steps(me, to);
  if (here <= 0) return [];
  const best = tables.next(me, to);
  const found: number[] = [];
  const until = first[me + 1] ?? 0;
  for (let i = first[me] ?? 0; i < until; i++) {
    const one = neighbour[i] ?? 0;
    const there = tables.steps(one, to);
    if (one !== best && there >= 0 && there < here) found.push(one);
  }
  return [best, ...found.sort((a, b) => tables.width(b, to) - tables.width(a, to))];
}

/**
 * From a node beside the route all ways downhill come to it behind this place, or to the end: else it would lead back.
 */
function joinsAfter(
  tables: Tables,
  node: number,
  to: number,
  route: readonly number[],
  place: number,
): boolean {
  const seen = new Set([node]);
  for (const one of seen) {
    if (one === to) continue;
    const at = route.indexOf(one);
    if (at >= 0) {
      if (at <= place) return false;
      continue;
    }
    for (const next of downhill(tables, one, to)) seen.add(next);
  }
  return true;
}
