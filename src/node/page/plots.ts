/** The curves of the page's plots. Pure. */

import type { Curve } from "../../ops/history/history.ts";
import type { RecordedName } from "../history/recorder.ts";
import type { NodeView } from "./view.ts";

/** What may be asked for: seconds of history, and seconds of one point. */
export const windows: ReadonlyMap<string, { readonly seconds: number; readonly step: number }> =
  new Map([
    ["15m", { seconds: 900, step: 1 }],
    ["1h", { seconds: 3_600, step: 3 }],
    ["6h", { seconds: 21_600, step: 30 }],
    ["24h", { seconds: 86_400, step: 60 }],
  ]);

const plotted: readonly RecordedName[] = ["qber", "secret_key_rate", "confirmed_rate"];

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
 * @returns undefined if there is no such module or window
 */
export function plotData(node: NodeView, module: string, window: string, now: PlotMoment) {
  const history = node.recorder.history(module);
  const span = windows.get(window);
  if (history === undefined || span === undefined) return undefined;
  const { seconds, step } = span;
  const part = history.query(plotted, now.now, seconds * 1_000, step * 1_000);
  return {
    module,
    window,
    /** Of the first point, ms since 1970 UTC. */
    start: Math.round(part.start + now.wall - now.now),
    step_ms: part.stepMs,
    series: Object.fromEntries(plotted.map((name) => [name, curve(part.curves[name])])),
  };
}
