/** Severities of ITU-T X.733 §8.1.2.3, and the moments at which things are told. */

/** From the least to the most severe; `cleared` is none at all. */
export const levels = ["cleared", "warning", "minor", "major", "critical"] as const;

export type Level = (typeof levels)[number];
export type Severity = Exclude<Level, "cleared">;

/** 0 for `cleared` to 4 for `critical`. */
export function rank(level: Level): number {
  return levels.indexOf(level);
}

/** The level of a {@link rank}. */
export function levelOf(rank: number): Level {
  return levels[rank] ?? "cleared";
}

/** One moment by both clocks: `now` for durations, `wall` for stamps. */
export interface Moment {
  /** Monotonic ms. */
  readonly now: number;
  /** ms since 1970 UTC; may jump. */
  readonly wall: number;
}
