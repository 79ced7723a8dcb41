/** Figures of the past as a local socket tells them. Pure. */
import type { PastModule } from "../bundle/telemetry-csv.ts";
import type { Curve, TelemetryHistory } from "./history.ts";

const minute = 60_000;
/** What is told of the past: the last hour and the last day, in so many buckets each. */
const parts = [
  { name: "hour", windowMs: 60 * minute, stepMs: 10_000 },
  { name: "day", windowMs: 24 * 60 * minute, stepMs: 5 * minute },
] as const;

/** Figures of the past; those that never came are absent, and a bucket without a value is null. */
export function pastTelemetry<Name extends string>(
  history: TelemetryHistory<Name> | undefined,
  now: number,
  wall: number,
): PastModule["parts"] {
  if (history === undefined) return [];
  return parts.map(({ name, windowMs, stepMs }) => {
    const { start, curves } = history.query(history.names, now, windowMs, stepMs);
    const figures = (Object.entries(curves) as [string, Curve][]).flatMap(([figure, curve]) => {
      if (curve.mean.every(Number.isNaN)) return [];
      const list = (values: Float64Array) =>
        [...values].map((value) => (Number.isNaN(value) ? null : Number(value.toPrecision(6))));
      return [[figure, { mean: list(curve.mean), min: list(curve.min), max: list(curve.max) }]];
    });
    const begin = new Date(wall - (now - start)).toISOString();
    return { name, start: begin, step_ms: stepMs, figures: Object.fromEntries(figures) };
  });
}
