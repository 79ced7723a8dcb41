/**
 * How much of a campaign runs: three tenths of its length in `.ci/run`, else a tenth, so that `npm test` is over before
 * the coffee is; all of it with `QKD_CAMPAIGNS=whole`. `npm run soak` runs them for hours.
 */
const asked = process.env.QKD_CAMPAIGNS;
export const whole = asked === "whole";
const part = whole ? 1 : asked === "ci" ? 0.3 : 0.1;

/** So many rounds of a campaign that has `count` at its whole length. */
export function rounds(count: number): number {
  return Math.max(1, Math.round(count * part));
}

/** So many of its seeds, the first of them. */
export function some<T>(seeds: readonly T[]): readonly T[] {
  return seeds.slice(0, rounds(seeds.length));
}
