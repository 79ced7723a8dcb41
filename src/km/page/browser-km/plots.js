// Stock and rates over time.
import { createCharts, showCharts } from "./charts.js";
import { byId, say } from "./dom.js";
import { amount, scaled } from "./format.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["links"][number]} Link */

const powers = /** @type {Readonly<Record<string, number>>} */ ({
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
});

/** The unit that the highest value of a chart calls for. @param {string} id of what names it @param {string} unit */
function chosenUnit(id, unit) {
  let factor = 1;
  return {
    onScale: (/** @type {number} */ most) => {
      const [, shown] = scaled(most, unit);
      factor = shown === unit ? 1 : (powers[shown[0] ?? ""] ?? 1);
      say(byId(id), shown);
    },
    marks: (/** @type {number[]} */ list) =>
      list.map((v) => String(Number((v / factor).toPrecision(6)))),
    value: (/** @type {number} */ v) => amount(v, unit),
  };
}

createCharts("link", [
  {
    id: "plot-stock",
    title: "Stock",
    lines: [
      { series: "total_stock_bits", label: "of both", colour: "a", band: true },
      { series: "stock_bits", label: "this KM's", colour: "b", band: false },
    ],
    least: 1,
    ...chosenUnit("stock-unit", "bit"),
    describe: (span, over) => {
      const text = (/** @type {number} */ v) => amount(v, "bit");
      return `Stock ${over}: of both ${span("total_stock_bits", text)}, this KM's ${span("stock_bits", text)}`;
    },
  },
  {
    id: "plot-rate",
    title: "Rates",
    lines: [
      { series: "received_rate", label: "received", colour: "a", band: true },
      { series: "matched_rate", label: "compared", colour: "b", band: false },
      { series: "taken_rate", label: "fetched", colour: "c", band: false },
    ],
    least: 1,
    ...chosenUnit("rate-unit", "bit/s"),
    describe: (span, over) => {
      const text = (/** @type {number} */ v) => amount(v, "bit/s");
      return `Rates ${over}: received ${span("received_rate", text)}, compared ${span("matched_rate", text)}, fetched ${span("taken_rate", text)}`;
    },
  },
]);

/** @param {Link} link @param {State} state */
export function showPlots(link, { t }) {
  const { rates } = link;
  const values = {
    total_stock_bits: link.stock_bits + link.peer_stock_bits,
    stock_bits: link.stock_bits,
    received_rate: rates.received,
    matched_rate: rates.matched,
    taken_rate: rates.taken,
  };
  showCharts(
    link.name,
    t,
    Object.entries(values).map(([series, value]) => ({ series, value, t })),
  );
}
