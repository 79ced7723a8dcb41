/** Figures of a telemetry sample as far as they can be believed. Pure. */
import { type FigureName, figures, type TelemetrySample } from "../../port/telemetry.ts";

/** Detectors that are watched; a module may claim to have more. */
const mostDetectors = 16;

function inRange(name: FigureName, value: number): boolean {
  return value >= figures[name].min && value <= figures[name].max;
}

/** A figure within its range; undefined if the module did not report it, or not sensibly. */
export function number(sample: TelemetrySample, name: FigureName): number | undefined {
  const value = sample.values[name];
  return typeof value === "number" && inRange(name, value) ? value : undefined;
}

/** A figure of each detector; empty if one of them is out of range. */
export function list(sample: TelemetrySample, name: FigureName): readonly number[] {
  const value = sample.values[name];
  if (value === undefined || typeof value === "number") return [];
  const values = value.slice(0, mostDetectors);
  return values.every((each) => inRange(name, each)) ? values : [];
}
