/**
 * The max-min fair optimum of flows that may be split over all ways, by one linear program after another: the least
 * share is made as large as it can be; pairs that hinder it stop there; and so on with the rest.
 */
import { maximise } from "./simplex.ts";

export interface Flows {
  readonly nodes: number;
  readonly links: readonly { readonly a: number; readonly b: number; readonly capacity: number }[];
  readonly pairs: readonly { readonly from: number; readonly to: number; readonly most: number }[];
}

/** @param hops links of a way at the most @returns bit/s of each pair */
export function maxMinFair({ nodes, links, pairs }: Flows, hops = nodes - 1): number[] {
  const around = Array.from({ length: nodes }, (_, node) =>
    links.flatMap(({ a, b }, link) =>
      a === node ? [{ to: b, link }] : b === node ? [{ to: a, link }] : [],
    ),
  );
  const ways = pairs.flatMap(({ from, to }, pair) =>
    allWays(around, from, to, hops).map((used) => ({ pair, used: new Set(used) })),
  );
  const hasWay = pairs.map((_, pair) => ways.some((way) => way.pair === pair));
  return maxMinBy({ nodes, links, pairs }, hasWay, (fixed, unit) =>
    level(ways, links, pairs, fixed, unit),
  );
}

export interface FlowWay {
  readonly pair: number;
  readonly used: ReadonlySet<number>;
}

/** The highest level of all that are not fixed, and what the program says of it. */
export interface Level {
  readonly level: number;
  /** Pairs that keep it from being higher. */
  readonly hinder: readonly boolean[];
  /** What each pair would give for more, and what each link costs. */
  readonly worth: readonly number[];
  readonly prices: readonly number[];
}

/** @param highest level while some are fixed, in units of the second @returns bit/s of each pair */
export function maxMinBy(
  { links, pairs }: Flows,
  hasWay: readonly boolean[],
  highest: (fixed: readonly (number | undefined)[], unit: number) => Level,
): number[] {
  // Numbers of about 1 keep the arithmetic good.
  const unit = links.reduce((most, { capacity }) => Math.max(most, capacity), 1);
  const fixed: (number | undefined)[] = pairs.map(() => undefined);
  for (const [i, has] of hasWay.entries()) if (!has) fixed[i] = 0;
  while (fixed.includes(undefined)) {
    const { level, hinder } = highest(fixed, unit);
    for (const [i, { most }] of pairs.entries()) {
      if (fixed[i] === undefined && (hinder[i] || level >= most / unit - 1e-9)) {
        fixed[i] = Math.min(level, most / unit);
      }
    }
    if (hinder.every((one) => !one) && !pairs.some(({ most }) => Number.isFinite(most))) break;
  }
  return fixed.map((one) => (one ?? 0) * unit);
}

/**
 * Variables: the level, how far the fixed are served (up to 1, worth more than all else), then the ways. A pair that
 * is not fixed gets the level at least, up to what it wants.
 */
export function level(
  ways: readonly FlowWay[],
  links: Flows["links"],
  pairs: Flows["pairs"],
  fixed: readonly (number | undefined)[],
  unit: number,
): Level {
  const n = ways.length + 2;
  const goal = new Array<number>(n).fill(0);
  goal[0] = 1;
  goal[1] = 1_000;
  const rows: number[][] = [];
  const limits: number[] = [];
  for (const [i, rate] of fixed.entries()) {
    const row = new Array<number>(n).fill(0);
    if (rate === undefined) row[0] = 1;
    else row[1] = rate;
    for (const [j, { pair }] of ways.entries()) if (pair === i) row[j + 2] = -1;
    rows.push(row);
    limits.push(0);
  }
  const open = pairs.filter((_, i) => fixed[i] === undefined);
  const least = open.reduce(
    (some, { most }) => Math.min(some, most / unit),
    Number.POSITIVE_INFINITY,
  );
  for (const [row, limit] of [[[0, 1], 1], ...(Number.isFinite(least) ? [[[1], least]] : [])] as [
    number[],
    number,
  ][]) {
    rows.push([...row, ...new Array<number>(n - row.length).fill(0)]);
    limits.push(limit);
  }
  for (const [link, { capacity }] of links.entries()) {
    rows.push([0, 0, ...ways.map(({ used }) => (used.has(link) ? 1 : 0))]);
    limits.push(capacity / unit);
  }
  const { x, prices } = maximise(goal, rows, limits);
  const hinder = fixed.map((rate, i) => rate === undefined && (prices[i] as number) > 1e-7);
  const worth = prices.slice(0, pairs.length);
  return { level: x[0] as number, hinder, worth, prices: prices.slice(-links.length) };
}

function allWays(
  around: readonly (readonly { readonly to: number; readonly link: number }[])[],
  from: number,
  to: number,
  hops: number,
): number[][] {
  const found: number[][] = [];
  const seen = new Set([from]);
  const used: number[] = [];
  const go = (node: number): void => {
    if (node === to) return void found.push([...used]);
    if (used.length >= hops) return;
    for (const { to: next, link } of around[node] ?? []) {
      if (seen.has(next)) continue;
      seen.add(next);
      used.push(link);
      go(next);
      used.pop();
      seen.delete(next);
    }
  };
  go(from);
  return found;
}
