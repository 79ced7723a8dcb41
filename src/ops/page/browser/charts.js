// Figures over time: one chart above the other, of one thing at a time (a module, a link).
import { byId, mark } from "./dom.js";
import { stamp, timeOfDay, zoneName } from "./time.js";

/** @typedef {{ mean: (number | null)[], min: (number | null)[], max: (number | null)[] }} Curve */
/** @typedef {{ start: number, step_ms: number, series: Record<string, Curve> }} History */

/** Values further apart than this are not joined by a line, ms. */
const longestJoin = 15_000;

/**
 * @typedef {object} Line
 * @property {string} series name of what is drawn
 * @property {string} label
 * @property {"a" | "b" | "c"} colour
 * @property {boolean} band least and most of each point behind its mean
 * @property {number} [factor] of what is drawn to what is recorded
 */
/**
 * @typedef {object} Chart
 * @property {string} id of its element; the element before it is its title
 * @property {string} title for the picture that is saved, with its unit
 * @property {readonly Line[]} lines
 * @property {(value: number) => string} value a value in words
 * @property {(marks: number[]) => string[]} marks
 * @property {number} least the axis goes up to this at least
 * @property {() => number | undefined} [limit] a line across
 * @property {(most: number) => void} [onScale] told the highest value before it is drawn
 * @property {(span: (series: string, text: (v: number) => string) => string, over: string) => string} describe what it shows, in words
 */

/** @type {readonly { chart: Chart, plot: import("uplot") }[]} */
let drawn = [];
/** What the figures are of: `module`, `link`. */
let kind = "";
/** @type {{ subject: string, window: string, data: History | undefined }} */
let shown = { subject: "", window: "15m", data: undefined };
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

/** @param {Chart} chart @returns {import("uplot")} */
function createPlot({ id, lines, value, marks, least, limit }) {
  const element = byId(id);
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
  if (data === undefined) return;
  const { start, step_ms: step, series } = data;
  const [first] = Object.values(series);
  if (first === undefined) return;
  const times = first.mean.map((_, i) => (start + i * step) / 1_000);
  for (const { chart, plot } of drawn) {
    const most = chart.lines.flatMap(({ series: name, factor = 1 }) =>
      (series[name]?.max ?? []).map((v) => (v ?? 0) * factor),
    );
    chart.onScale?.(Math.max(0, ...most));
    const columns = chart.lines.flatMap(({ series: name, band, factor = 1 }) => {
      const { mean = [], max = [], min = [] } = series[name] ?? {};
      const values = band ? [mean, max, min] : [mean];
      return values.map((list) => bridged(list, step, factor));
    });
    plot.setData(/** @type {any} */ ([times, ...columns]));
    mark(byId(chart.id), "aria-label", chart.describe(spanOf, `over the last ${shown.window}`));
  }
}

/** From where to where a series goes, in words. @param {string} series @param {(v: number) => string} text */
function spanOf(series, text) {
  const { min = [], max = [] } = shown.data?.series[series] ?? {};
  const low = Math.min(...min.map((v) => v ?? Number.POSITIVE_INFINITY));
  const high = Math.max(...max.map((v) => v ?? Number.NEGATIVE_INFINITY));
  return low > high ? "no values" : `from ${text(low)} to ${text(high)}`;
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
  const length = Object.values(data.series)[0]?.mean.length ?? 0;
  const steps = Math.floor((now - data.start) / data.step_ms) - length + 1;
  if (steps <= 0) return;
  // A computer that slept: what was missed is with the program.
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

/**
 * @param {string} of what the figures are of: `module`, `link`
 * @param {readonly Chart[]} charts
 */
export function createCharts(of, charts) {
  if (typeof uPlot === "undefined") return;
  kind = of;
  drawn = charts.map((chart) => ({ chart, plot: createPlot(chart) }));
  const observer = new ResizeObserver(() => {
    for (const { plot } of drawn) {
      const { clientWidth: width, clientHeight: height } = /** @type {HTMLElement} */ (
        plot.root.parentElement
      );
      if (width !== plot.width || height !== plot.height) plot.setSize({ width, height });
    }
  });
  for (const { id } of charts) observer.observe(byId(id));
}

/**
 * @param {string} subject whose figures are drawn
 * @param {number} now
 * @param {readonly { series: string, value: number, t: number }[]} values those of now, each once
 */
export function showCharts(subject, now, values) {
  if (drawn.length === 0) return;
  if (subject !== shown.subject) {
    shown = { ...shown, subject, data: undefined };
    void loadHistory();
    return;
  }
  const { data } = shown;
  if (data === undefined) return;
  moveOn(data, now);
  for (const { series, value, t } of values) add(data, series, value, t);
  draw();
}

/** Asks the program for what was, again. */
export async function loadHistory() {
  const { subject, window } = shown;
  if (subject === "") return;
  const mine = ++loading;
  const query = new URLSearchParams({ [kind]: subject, window });
  try {
    const answer = await fetch(`/api/history?${query}`);
    if (!answer.ok || mine !== loading) return;
    const data = await answer.json();
    if (mine !== loading) return;
    counts = {};
    moved = 0;
    shown = { subject, window, data };
    draw();
  } catch {
    // It is away: the next state that comes asks again.
    if (mine === loading) shown = { ...shown, subject: "" };
  }
}

/** @param {string} window `15m`, `1h`, `6h`, `24h` */
export function chooseWindow(window) {
  shown = { ...shown, window, data: undefined };
  void loadHistory();
}

/** The colours are others. */
export function repaint() {
  for (const { plot } of drawn) plot.redraw(false, true);
}

/** Times are shown in another zone: marks are chosen anew. */
export function rezone() {
  draw();
}

/** What is drawn now, for those who save it. */
export function charted() {
  return { ...shown, kind, drawn };
}
