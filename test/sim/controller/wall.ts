/** The wall clock of a life: it jumps, since nothing but stamps may go by it. */

export const wallStart = Date.parse("2026-06-01T00:00:00Z");
const hour = 3_600_000;
/** So far in turn, and back, ms. */
const jumps = [0, 24 * hour, -24 * hour, -hour, 400 * 24 * hour] as const;
const jumpEvery = 17_000;

/** @param now monotonic, ms @returns ms since 1970 UTC */
export function wallAt(now: number): number {
  return wallStart + now + (jumps[Math.floor(now / jumpEvery) % jumps.length] ?? 0);
}
