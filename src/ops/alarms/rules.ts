/** Rules by which a measurement becomes a level. Functions of their arguments and of nothing else. */
import { type Level, rank, type Severity } from "./severity.ts";

/** One step of a threshold: raised beyond `raise`, held until the value is back at `clear`. */
export interface Step {
  readonly level: Severity;
  readonly raise: number;
  readonly clear: number;
}

export type Direction = "above" | "below";

/** The part of a threshold by which a value must come back before its level is left. */
const hysteresis = 0.1;

/**
 * A step with the usual hysteresis of 10 %.
 * @param raise the value beyond which the level holds
 */
export function step(level: Severity, raise: number, direction: Direction): Step {
  const clear = raise * (direction === "above" ? 1 - hysteresis : 1 + hysteresis);
  return { level, raise, clear };
}

/**
 * Threshold with hysteresis.
 * @param before the level that this returned for the value before
 * @param steps worst first
 * @returns the worst level whose step holds
 */
export function threshold(
  before: Level,
  value: number,
  steps: readonly Step[],
  direction: Direction,
): Level {
  const beyond = (limit: number) => (direction === "above" ? value > limit : value < limit);
  for (const { level, raise, clear } of steps) {
    if (beyond(raise) || (rank(before) >= rank(level) && beyond(clear))) return level;
  }
  return "cleared";
}

/**
 * Staleness.
 * @param lastAt when the last value came, ms; undefined: never
 * @param since from when on values are expected, ms
 */
export function stale(
  lastAt: number | undefined,
  since: number,
  now: number,
  limitMs: number,
): boolean {
  return now - Math.max(lastAt ?? since, since) > limitMs;
}
