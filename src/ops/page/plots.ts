/** The curves of the page's charts. Pure. */
import type { Curve, TelemetryHistory } from "../history/history.ts";

/** What may be asked for: seconds of history, and seconds of one point. */
export const windows: ReadonlyMap<string, { readonly seconds: number; readonly step: number }> =
  new Map([
    ["15m", { seconds: 900, step: 1 }],
    ["1h", { seconds: 3_600, step: 3 }],
    ["6h", { seconds: 21_600, step: 30 }],
    ["24h", { seconds: 86_400, step: 60 }],
  ]);

/** Monotonic and wall time of the same moment, ms. */
export interface PlotMoment {
  readonly now: number;
  readonly wall: number;
}

/** As many digits as a pixel can show. */
export function numbers(values: Float64Array): (number | null)[] {
  return Array.from(values, (value) => (Number.isNaN(value) ? null : Number(value.toPrecision(5))));
}

function curve({ mean, min, max }: Curve) {
  return { mean: numbers(mean), min: numbers(min), max: numbers(max) };
}

/**
 * @param plotted what is drawn of it
 * @returns undefined if there is no such window
 */
export function plotData<Name extends string>(
  history: TelemetryHistory<Name>,
  plotted: readonly Name[],
  window: string,
  { now, wall }: PlotMoment,
) {
  const span = windows.get(window);
  if (span === undefined) return undefined;
  const { seconds, step } = span;
  const part = history.query(plotted, now, seconds * 1_000, step * 1_000);
  return {
    window,
    /** Of the first point, ms since 1970 UTC. */
    start: Math.round(part.start + wall - now),
    step_ms: part.stepMs,
    series: Object.fromEntries(plotted.map((name) => [name, curve(part.curves[name])])),
  };
}
