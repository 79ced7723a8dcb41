// QBER and key rate over time.
import { byId, mark, say } from "./dom.js";
import { figure } from "./flow.js";
import { amount, percent, scaled } from "./format.js";
import { stamp, timeOfDay, zoneName } from "./time.js";

/** @typedef {import("./live.js").State} State */
/** @typedef {State["modules"][number]} Module */
/** @typedef {{ mean: (number | null)[], min: (number | null)[], max: (number | null)[] }} Curve */
/** @typedef {{ start: number, step_ms: number, series: Record<string, Curve> }} History */

/** Values further apart than this are not joined by a line, ms. */
const longestJoin = 15_000;
const names = ["qber", "secret_key_rate", "confirmed_rate"];

/** @type {{ module: string, window: string, data: History | undefined }} */
let shown = { module: "", window: "15m", data: undefined };
/** Values in the last point so far. @type {Record<string, number>} */
let counts = {};
/** Whole points that the plot has moved on since it was loaded. */
let moved = 0;
let loading = 0;

const colour = (/** @type {string} */ name) =>
  getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

/** Time marks that a person would choose, in 24 hours. @param {number[]} marks */
function clockMarks(marks) {
  const seconds = (marks[1] ?? 0) - (marks[0] ?? 0) < 60;
  return marks.map((t) => timeOfDay(t * 1_000).slice(0, seconds ? 8 : 5));
}

/**
 * @param {HTMLElement} element
 * @param {{ lines: { label: string, colour: string, band: boolean }[],
 *   value: (v: number) => string, marks: (marks: number[]) => string[],
 *   least: number, limit?: () => number | undefined }} options
 */
function createPlot(element, { lines, value, marks, least, limit }) {
  const axis = {
    stroke: () => colour("dim"),
    grid: { stroke: () => colour("grid"), width: 1 },
    ticks: { show: false },
    font: '12px system-ui, "DejaVu Sans", sans-serif',
  };
  /** @type {import("uplot").Series[]} */
  const series = [{ label: "at", value: (_, t) => (t == null ? "" : stamp(t * 1_000)) }];
  /** @type {import("uplot").Band[]} */
  const bands = [];
  for (const line of lines) {
    series.push({
      label: line.label,
      stroke: () => colour(line.colour),
      width: 1.6,
      points: { show: false },
      value: (_, v) => (v == null ? "–" : value(v)),
    });
    if (!line.band) continue;
    // Least and most of each point, as a band behind its mean.
    const hidden = { points: { show: false }, width: 0, class: "unseen" };
    series.push({ ...hidden, label: "most" }, { ...hidden, label: "least" });
    bands.push({ series: [series.length - 2, series.length - 1], fill: () => colour("band") });
  }
  /** @type {import("uplot").Options} */
  const options = {
    width: element.clientWidth,
    height: element.clientHeight,
    padding: [10, 8, 0, 0],
    tzDate: (t) => {
      const zone = zoneName();
      const date = new Date(t * 1_000);
      return zone === undefined ? date : uPlot.tzDate(date, zone);
    },
    cursor: { sync: { key: "time" }, drag: { x: false, y: false }, points: { size: 7 } },
    // Beside the title: on the plot it would hide the newest values.
    legend: {
      live: true,
      markers: { show: false },
      mount: (_, legend) => element.previousElementSibling?.append(legend),
    },
    scales: {
      y: { range: (_u, _min, max) => [0, Math.max(least, (max ?? 0) * 1.18)] },
    },
    axes: [
      { ...axis, values: (_, list) => clockMarks(list), space: 70, size: 30 },
      { ...axis, values: (_, list) => marks(list), size: 58, space: 32 },
    ],
    series,
    bands,
    hooks: {
      draw: [
        (u) => {
          const at = limit?.();
          if (at === undefined || at > (u.scales.y?.max ?? 0)) return;
          const { left, width } = u.bbox;
          const y = Math.round(u.valToPos(at, "y", true));
          u.ctx.save();
          u.ctx.strokeStyle = colour("bad");
          u.ctx.fillStyle = colour("bad");
          u.ctx.lineWidth = devicePixelRatio;
          u.ctx.setLineDash([6 * devicePixelRatio, 4 * devicePixelRatio]);
          u.ctx.beginPath();
          u.ctx.moveTo(left, y);
          u.ctx.lineTo(left + width, y);
          u.ctx.stroke();
          u.ctx.font = `${12 * devicePixelRatio}px system-ui, "DejaVu Sans", sans-serif`;
          u.ctx.textAlign = "left";
          u.ctx.textBaseline = "bottom";
          u.ctx.fillText("limit", left + 6 * devicePixelRatio, y - 4 * devicePixelRatio);
          u.ctx.restore();
        },
      ],
    },
  };
  return new uPlot(options, [[], ...series.slice(1).map(() => [])], element);
}

/** @type {number | undefined} */
let qberLimit;
/** @type {import("uplot") | undefined} */
let qberPlot;
/** @type {import("uplot") | undefined} */
let ratePlot;

/** The unit that the highest rate on the axis calls for. */
let rateUnit = { factor: 1, unit: "bit/s" };

function createPlots() {
  qberPlot = createPlot(byId("plot-qber"), {
    lines: [{ label: "QBER", colour: "a", band: true }],
    value: (v) => `${v.toFixed(2)} %`,
    marks: (list) => list.map((v) => String(Number(v.toPrecision(6)))),
    least: 1,
    limit: () => (qberLimit === undefined ? undefined : qberLimit * 100),
  });
  ratePlot = createPlot(byId("plot-rate"), {
    lines: [
      { label: "distilled", colour: "a", band: true },
      { label: "confirmed", colour: "b", band: false },
    ],
    value: (v) => amount(v, "bit/s"),
    marks: (list) => list.map((v) => String(Number((v / rateUnit.factor).toPrecision(6)))),
    least: 1,
  });
  const plots = [qberPlot, ratePlot];
  new ResizeObserver(() => {
    for (const plot of plots) {
      const { clientWidth: width, clientHeight: height } = /** @type {HTMLElement} */ (
        plot.root.parentElement
      );
      if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
    }
  }).observe(byId("plot-rate"));
}

/**
 * Short stretches without a value are bridged (`undefined`), long ones are not (`null`).
 * @param {(number | null)[]} values @param {number} step ms
 */
function bridged(values, step, factor = 1) {
  /** @type {(number | null | undefined)[]} */
  const result = new Array(values.length);
  const longest = Math.ceil(longestJoin / step);
  let last = -1;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value == null) continue;
    const gap = i - last - 1 > longest ? null : undefined;
    for (let j = last + 1; j < i; j++) result[j] = gap;
    result[i] = value * factor;
    last = i;
  }
  for (let j = last + 1; j < values.length; j++) result[j] = null;
  return result;
}

function draw() {
  const { data } = shown;
  if (data === undefined || qberPlot === undefined || ratePlot === undefined) return;
  const { start, step_ms: step, series } = data;
  const { qber, secret_key_rate: distilled, confirmed_rate: confirmed } = series;
  if (qber === undefined || distilled === undefined || confirmed === undefined) return;
  const times = qber.mean.map((_, i) => (start + i * step) / 1_000);
  const lines = (/** @type {Curve} */ { mean, max, min }, factor = 1) =>
    [mean, max, min].map((values) => bridged(values, step, factor));
  const most = Math.max(
    0,
    ...distilled.max.map((v) => v ?? 0),
    ...confirmed.mean.map((v) => v ?? 0),
  );
  const [, unit] = scaled(most, "bit/s");
  rateUnit = { unit, factor: { k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit[0] ?? ""] ?? 1 };
  say(byId("rate-unit"), unit);
  qberPlot.setData(/** @type {any} */ ([times, ...lines(qber, 100)]));
  const confirmedLine = bridged(confirmed.mean, step);
  ratePlot.setData(/** @type {any} */ ([times, ...lines(distilled), confirmedLine]));
  describePlots(qber, distilled);
}

/** What a plot shows, in words. @param {Curve} qber @param {Curve} rate */
function describePlots(qber, rate) {
  const span = (/** @type {Curve} */ { min, max }, /** @type {(v: number) => string} */ text) => {
    const low = Math.min(...min.map((v) => v ?? Number.POSITIVE_INFINITY));
    const high = Math.max(...max.map((v) => v ?? Number.NEGATIVE_INFINITY));
    return low > high ? "no values" : `from ${text(low)} to ${text(high)}`;
  };
  const over = `over the last ${shown.window}`;
  mark(byId("plot-qber"), "aria-label", `QBER ${over}: ${span(qber, (v) => percent(v))}`);
  const rates = span(rate, (v) => amount(v, "bit/s"));
  mark(byId("plot-rate"), "aria-label", `Secret key rate ${over}: ${rates}`);
}

/** Adds a value to the point at `t`; the plot moves on as time does. @param {History} data */
function add(
  data,
  /** @type {string} */ name,
  /** @type {number} */ value,
  /** @type {number} */ t,
) {
  const curve = data.series[name];
  const i = Math.floor((t - data.start) / data.step_ms);
  if (curve === undefined || i < 0 || i >= curve.mean.length) return;
  const key = `${name} ${i + moved}`;
  const n = counts[key] ?? (curve.mean[i] == null ? 0 : 1);
  const mean = curve.mean[i] ?? 0;
  curve.mean[i] = (mean * n + value) / (n + 1);
  curve.min[i] = Math.min(curve.min[i] ?? value, value);
  curve.max[i] = Math.max(curve.max[i] ?? value, value);
  counts[key] = n + 1;
}

/** @param {History} data @param {number} now */
function moveOn(data, now) {
  const length = data.series.qber?.mean.length ?? 0;
  const steps = Math.floor((now - data.start) / data.step_ms) - length + 1;
  if (steps <= 0) return;
  // A computer that slept: what was missed is with the node.
  if (steps > 20) return void loadHistory();
  for (const { mean, min, max } of Object.values(data.series)) {
    for (const values of [mean, min, max]) {
      for (let i = 0; i < steps; i++) {
        values.shift();
        values.push(null);
      }
    }
  }
  data.start += steps * data.step_ms;
  moved += steps;
  // Only the point that grows is counted.
  if (Object.keys(counts).length > 30) counts = {};
}

/** @param {Module} module @param {State} state */
export function showPlots(module, state) {
  if (typeof uPlot === "undefined") return;
  if (qberPlot === undefined) createPlots();
  qberLimit = module.qber_limit;
  if (module.name !== shown.module) {
    shown = { ...shown, module: module.name, data: undefined };
    void loadHistory();
    return;
  }
  const { data } = shown;
  if (data === undefined) return;
  moveOn(data, state.t);
  for (const name of /** @type {const} */ (["qber", "secret_key_rate"])) {
    const report = figure(module, name);
    // Each value once: it is as old as it says.
    if (report !== undefined && report.quality === "good" && report.age_ms < 1_000) {
      add(data, name, report.last, state.t - report.age_ms);
    }
  }
  add(data, "confirmed_rate", module.rates.bits, state.t);
  draw();
}

/** Asks the node for what was, again. */
export async function loadHistory() {
  const { module, window } = shown;
  if (module === "") return;
  const mine = ++loading;
  const query = new URLSearchParams({ module, window });
  try {
    const answer = await fetch(`/api/history?${query}`);
    if (!answer.ok || mine !== loading) return;
    const data = await answer.json();
    if (mine !== loading || names.some((name) => data.series[name] === undefined)) return;
    counts = {};
    moved = 0;
    shown = { module, window, data };
    draw();
  } catch {
    // The node is away: the next state that comes asks again.
    if (mine === loading) shown = { ...shown, module: "" };
  }
}

/** @param {string} window `15m`, `1h`, `6h`, `24h` */
export function chooseWindow(window) {
  shown = { ...shown, window, data: undefined };
  void loadHistory();
}

/** The colours are others. */
export function repaint() {
  qberPlot?.redraw(false, true);
  ratePlot?.redraw(false, true);
}

/** Times are shown in another zone: marks are chosen anew. */
export function rezone() {
  draw();
}

/** What is plotted now, for those who save it. */
export function plotted() {
  return { ...shown, plots: [qberPlot, ratePlot] };
}
