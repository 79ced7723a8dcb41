// QBER and key rate over time.
import { createCharts, showCharts } from "./charts.js";
import { byId, say } from "./dom.js";
import { figure } from "./flow.js";
import { amount, percent, scaled } from "./format.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["modules"][number]} Module */

/** @type {number | undefined} */
let qberLimit;
/** The unit that the highest rate on the axis calls for. */
let rateUnit = { factor: 1, unit: "bit/s" };

/** @param {number} most */
function chooseUnit(most) {
  const [, unit] = scaled(most, "bit/s");
  rateUnit = { unit, factor: { k: 1e3, M: 1e6, G: 1e9, T: 1e12 }[unit[0] ?? ""] ?? 1 };
  say(byId("rate-unit"), unit);
}

createCharts("module", [
  {
    id: "plot-qber",
    title: "QBER, %",
    lines: [{ series: "qber", label: "QBER", colour: "a", band: true, factor: 100 }],
    value: (v) => `${v.toFixed(2)} %`,
    marks: (list) => list.map((v) => String(Number(v.toPrecision(6)))),
    least: 1,
    limit: () => (qberLimit === undefined ? undefined : qberLimit * 100),
    describe: (span, over) => `QBER ${over}: ${span("qber", (v) => percent(v))}`,
  },
  {
    id: "plot-rate",
    title: "Key rate",
    lines: [
      { series: "secret_key_rate", label: "distilled", colour: "a", band: true },
      { series: "confirmed_rate", label: "confirmed", colour: "b", band: false },
    ],
    value: (v) => amount(v, "bit/s"),
    marks: (list) => list.map((v) => String(Number((v / rateUnit.factor).toPrecision(6)))),
    least: 1,
    onScale: chooseUnit,
    describe: (span, over) =>
      `Secret key rate ${over}: ${span("secret_key_rate", (v) => amount(v, "bit/s"))}`,
  },
]);

/** @param {Module} module @param {State} state */
export function showPlots(module, { t }) {
  qberLimit = module.qber_limit;
  const values = /** @type {const} */ (["qber", "secret_key_rate"]).flatMap((series) => {
    const report = figure(module, series);
    // Each value once: it is as old as it says.
    if (report === undefined || report.quality !== "good" || report.age_ms >= 1_000) return [];
    return [{ series, value: report.last, t: t - report.age_ms }];
  });
  showCharts(module.name, t, [
    ...values,
    { series: "confirmed_rate", value: module.rates.bits, t },
  ]);
}
