/**
 * How much of a campaign runs: all of its CI length where `.ci/run` says so, else a tenth, so that
 * `npm test` is over before the coffee is. `npm run soak` runs them at their full length.
 */
export const whole = process.env.QKD_CAMPAIGNS === "whole";
const part = whole ? 1 : 0.1;

/** So many rounds of a campaign that has `count` in CI. */
export function rounds(count: number): number {
  return Math.max(1, Math.round(count * part));
}

/** So many of its seeds, the first of them. */
export function some<T>(seeds: readonly T[]): readonly T[] {
  return seeds.slice(0, rounds(seeds.length));
}
