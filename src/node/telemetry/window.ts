/**
 * Statistics of one module's figures over a window: last, least, most, mean, count. Pure.
 *
 * Nothing is invented: a figure the module did not report is not in the report, and a value outside
 * of the figure's range is counted but never averaged in.
 */
import {
  type FigureName,
  type FigureSpec,
  type FigureValue,
  figures,
  type TelemetrySample,
} from "../../port/telemetry.ts";

export type Quality = "good" | "stale" | "out_of_range";

/** Values are absent for a figure of which no value within range ever came. */
export interface FigureReport {
  readonly last?: FigureValue;
  readonly min?: FigureValue;
  readonly max?: FigureValue;
  readonly mean?: FigureValue;
  /** Values within range in this window; 0 for a stale figure. */
  readonly count: number;
  /** Since the last value within range, or since the first one out of it, ms. */
  readonly age_ms: number;
  readonly quality: Quality;
}

export type WindowReport = Readonly<Partial<Record<FigureName, FigureReport>>>;

/** Running statistics of one number. */
interface Running {
  last: number;
  min: number;
  max: number;
  sum: number;
}

interface Figure {
  parts: Running[];
  count: number;
  at: number;
  /** The newest value of all was out of range. */
  outOfRange: boolean;
}

function inRange(spec: FigureSpec, values: readonly number[]): boolean {
  return values.every((value) => value >= spec.min && value <= spec.max);
}

export class TelemetryWindow {
  readonly #figures = new Map<FigureName, Figure>();
  readonly #staleAfterMs: number;

  /** @param staleAfterMs a figure without a value for this long is `stale` */
  constructor(staleAfterMs: number) {
    this.#staleAfterMs = staleAfterMs;
  }

  /** @param now of the passed-in clock, ms */
  add(sample: TelemetrySample, now: number): void {
    for (const [key, value] of Object.entries(sample.values)) {
      const name = key as FigureName;
      const values = typeof value === "number" ? [value] : value;
      if (values.length === 0) continue;
      const figure = this.#figures.get(name);
      if (!inRange(figures[name], values)) {
        if (figure !== undefined) figure.outOfRange = true;
        else this.#figures.set(name, { parts: [], count: 0, at: now, outOfRange: true });
        continue;
      }
      const fresh =
        figure === undefined || figure.count === 0 || figure.parts.length !== values.length;
      this.#figures.set(name, {
        parts: values.map((v, i) => (fresh ? first(v) : more(figure.parts[i] as Running, v))),
        count: fresh ? 1 : figure.count + 1,
        at: now,
        outOfRange: false,
      });
    }
  }

  /**
   * What the window since the last call showed, and begins a new one. A figure that had no value in
   * it is reported with its last one and its age.
   */
  take(now: number): WindowReport {
    const report = this.peek(now);
    for (const figure of this.#figures.values()) figure.count = 0;
    return report;
  }

  /** What {@link take} would say, and the window goes on. */
  peek(now: number): WindowReport {
    const report: Partial<Record<FigureName, FigureReport>> = {};
    for (const [name, figure] of this.#figures) {
      const list = "list" in figures[name];
      const pick = (of: (part: Running) => number): FigureValue =>
        list ? figure.parts.map(of) : of(figure.parts[0] as Running);
      const age = now - figure.at;
      if (figure.parts.length === 0) {
        report[name] = { count: 0, age_ms: Math.round(age), quality: "out_of_range" };
        continue;
      }
      const divisor = Math.max(1, figure.count);
      report[name] = {
        last: pick((part) => part.last),
        min: pick((part) => (figure.count === 0 ? part.last : part.min)),
        max: pick((part) => (figure.count === 0 ? part.last : part.max)),
        mean: pick((part) => (figure.count === 0 ? part.last : part.sum / divisor)),
        count: figure.count,
        age_ms: Math.round(age),
        quality: figure.outOfRange ? "out_of_range" : age > this.#staleAfterMs ? "stale" : "good",
      };
    }
    return report;
  }
}

function first(value: number): Running {
  return { last: value, min: value, max: value, sum: value };
}

function more(running: Running, value: number): Running {
  return {
    last: value,
    min: Math.min(running.min, value),
    max: Math.max(running.max, value),
    sum: running.sum + value,
  };
}
