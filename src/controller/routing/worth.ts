/** Whether other routes are worth a change: what pairs would have by them, and how long their ways would be. */
import type { Share } from "./demand.ts";
import type { Numbers } from "./few.ts";
import { fairer } from "./shares.ts";

export interface Measure {
  /** Part by which shares have to differ. */
  readonly hysteresis: number;
  /** Shares by the best of all routes; undefined: they are not known that well. */
  readonly optimum: readonly Share[] | undefined;
  readonly weights: readonly number[];
}

/** Less than this part of its optimum is little for a pair: half of the hysteresis will do then. */
export const poor = 0.87;
/** A way is worth a change if it is shorter by this. */
const shorter = 1.25;
/** Part of a pair's share below which a route is not used for it. */
const leastPart = 0.05;

/**
 * Whether the pair that is furthest below the optimum is nearer to it, by more than the hysteresis (shares are fairer,
 * if the optimum is not known); or that is alike, and ways are shorter.
 */
export function isWorth(
  kept: readonly Share[],
  next: readonly Share[],
  { hysteresis, optimum, weights }: Measure,
): boolean {
  if (optimum !== undefined) {
    const [before, after] = [served(kept, optimum), served(next, optimum)];
    const least = before < poor ? hysteresis / 2 : hysteresis;
    if (after > before * (1 + least)) return true;
    if (before > after * (1 + hysteresis)) return false;
  } else {
    if (fairer(next, kept, weights, hysteresis)) return true;
    if (fairer(kept, next, weights, hysteresis)) return false;
  }
  return next.some((after, i) => isShorter(after, kept[i] as Share)) && isShortForAll(kept, next);
}

/** The least part of its optimum that a pair has. */
function served(shares: readonly Share[], optimum: readonly Share[]): number {
  let least = Number.POSITIVE_INFINITY;
  for (const [i, { rate }] of optimum.entries()) {
    if (rate > 0) least = Math.min(least, (shares[i]?.rate ?? 0) / rate);
  }
  return least;
}

export function isShorter(one: Share, other: Share): boolean {
  return length(one) * shorter < length(other);
}

/** What pairs gain by shorter ways is twice what others lose by longer ones at least: they do not take turns. */
function isShortForAll(kept: readonly Share[], next: readonly Share[]): boolean {
  let gained = 0;
  let lost = 0;
  for (const [i, before] of kept.entries()) {
    if (before.rate <= 0) continue;
    const less = (length(before) - length(next[i] as Share)) * before.rate;
    if (less > 0) gained += less;
    else lost -= less;
  }
  return gained >= 2 * lost;
}

/** Links of a route, on average over what it carries. */
function length({ rate, routes }: Share): number {
  if (rate <= 0) return Number.POSITIVE_INFINITY;
  return routes.reduce((sum, one) => sum + (one.rate / rate) * (one.route.length - 1), 0);
}

/** The routes of a share that are worth one, the largest first. */
export function used({ rate, routes }: Share, most: number): Numbers {
  const good = routes.filter((one) => one.rate > 0 && one.rate >= rate * leastPart);
  return good
    .sort((a, b) => b.rate - a.rate)
    .slice(0, most)
    .map(({ route }) => route);
}
