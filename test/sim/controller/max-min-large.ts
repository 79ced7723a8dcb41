/**
 * The max-min fair optimum in networks that have too many ways to write all of them down (`max-min.ts`): ways come into the
 * linear programs as the prices of links ask for them. What it finds is the optimum: a way that is not in it would cost
 * more than its pair would give for it.
 */
import { type Flows, type FlowWay, level, maxMinBy } from "./max-min.ts";

/** A way costs less than it is worth by more than this. */
const tiny = 1e-7;

/** @param hops links of a way at the most @returns bit/s of each pair */
export function maxMinFairLarge(flows: Flows, hops = flows.nodes - 1): number[] {
  const { nodes, links, pairs } = flows;
  const around = Array.from({ length: nodes }, (_, node) =>
    links.flatMap(({ a, b }, link) =>
      a === node ? [{ to: b, link }] : b === node ? [{ to: a, link }] : [],
    ),
  );
  const ways: FlowWay[] = [];
  const known = new Set<string>();
  const add = (pair: number, used: readonly number[] | undefined) => {
    const name = `${pair} ${used?.join(" ")}`;
    if (used === undefined || known.has(name)) return false;
    known.add(name);
    ways.push({ pair, used: new Set(used) });
    return true;
  };
  const even = links.map(() => 1);
  for (const [i, { from, to }] of pairs.entries()) {
    add(i, cheapest(around, even, from, to, hops, Number.POSITIVE_INFINITY));
  }
  const hasWay = pairs.map((_, i) => ways.some(({ pair }) => pair === i));
  return maxMinBy(flows, hasWay, (fixed, unit) => {
    for (;;) {
      const found = level(ways, links, pairs, fixed, unit);
      let isMore = false;
      for (const [i, { from, to }] of pairs.entries()) {
        const worth = found.worth[i] ?? 0;
        if (worth <= tiny) continue;
        isMore = add(i, cheapest(around, found.prices, from, to, hops, worth - tiny)) || isMore;
      }
      if (!isMore) return found;
    }
  });
}

/** Links of the way that costs least, if it costs less than `most` (Bellman and Ford, by number of links). */
function cheapest(
  around: readonly (readonly { readonly to: number; readonly link: number }[])[],
  prices: readonly number[],
  from: number,
  to: number,
  hops: number,
  most: number,
): number[] | undefined {
  const cost = new Float64Array(around.length).fill(most);
  const way: (readonly number[] | undefined)[] = around.map(() => undefined);
  [cost[from], way[from]] = [0, []];
  let reached = [from];
  for (let hop = 0; hop < hops && reached.length > 0; hop++) {
    const begun = reached.map((node) => [node, cost[node] ?? 0, way[node] ?? []] as const);
    const next = new Set<number>();
    for (const [node, spent, used] of begun) {
      for (const { to: there, link } of around[node] ?? []) {
        const price = spent + Math.max(0, prices[link] ?? 0);
        // Prices are not negative: a way that comes back costs no less, and is not better.
        if (price >= (cost[there] ?? 0) - 1e-12) continue;
        cost[there] = price;
        way[there] = [...used, link];
        if (there !== to) next.add(there);
      }
    }
    reached = [...next];
  }
  return way[to] === undefined ? undefined : [...way[to]];
}
