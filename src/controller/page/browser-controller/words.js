// How nodes, links and pairs are called, and their figures in words.
import { amount, counted, duration, percent, words } from "./format.js";

/** @typedef {import("./state.js").Node} Node */
/** @typedef {import("./state.js").Link} Link */

/** @param {readonly (number | undefined)[]} list */
const known = (list) => list.filter((value) => value !== undefined);

/**
 * Both ends together: stock of the two, the mean rate, the worse QBER. What is not known is absent.
 * @param {Link} link
 * @returns {{ stock?: number, rate?: number, qber?: number }}
 */
export function figuresOf({ ends }) {
  if (ends.length === 0) return {};
  const rates = known(ends.map(({ key_rate }) => key_rate));
  const qbers = known(ends.map(({ qber }) => qber));
  return {
    stock: ends.reduce((sum, { stock_bits }) => sum + stock_bits, 0),
    ...(rates.length > 0 && { rate: rates.reduce((sum, rate) => sum + rate, 0) / rates.length }),
    ...(qbers.length > 0 && { qber: Math.max(...qbers) }),
  };
}

/** @param {number | undefined} value @param {(value: number) => string} text */
export function orDash(value, text) {
  return value === undefined ? "–" : text(value);
}

/** @param {Link} link @returns {[string, string]} two short lines */
export function shortFigures(link) {
  const { stock, rate, qber } = figuresOf(link);
  if (stock === undefined) return ["not known", ""];
  const second = [
    ...(rate === undefined ? [] : [amount(rate, "bit/s")]),
    ...(qber === undefined ? [] : [percent(qber, 1)]),
  ];
  return [amount(stock, "bit"), second.join(" · ")];
}

/** @param {number} bits */
export const bits = (bits) => amount(bits, "bit");
/** @param {number} rate */
export const bitRate = (rate) => amount(rate, "bit/s");

/** How an end of a link is: the half of the line beside it. @param {Link} link @param {string} km */
export function endState(link, km) {
  const end = link.ends.find((one) => one.km === km);
  if (end === undefined || !end.known) return "unknown";
  return end.up ? link.state : "bad";
}

/** @param {number} n @param {string} severity */
function alarmWords(n, severity) {
  return n === 0 ? "" : `${counted(n, "alarm")}, the worst ${severity}`;
}

/** @param {string[]} parts */
const joined = (parts) => parts.filter((part) => part !== "").join(", ");

/** @param {import("./state.js").Symbol} symbol */
export function symbolWords({ kind, name, site, nodes, attached, alarms, severity }) {
  if (kind === "site") {
    const what = `site ${name}: ${counted(nodes.length, "node")}, ${attached} connected`;
    return joined([what, alarmWords(alarms, severity), "opens"]);
  }
  const [node] = /** @type {[Node]} */ (nodes);
  return joined([
    `node ${name}`,
    site === "" ? "" : `site ${site}`,
    node.attached ? "connected" : "not connected",
    node.service === "in_service" ? "" : words(node.service),
    alarmWords(alarms, severity),
  ]);
}

/** @param {import("./state.js").Edge} edge */
export function edgeWords({ from, to, links, state, alarms, severity, route }) {
  const between = `${from.name} to ${to.name}`;
  const on = route === "used" ? "on the chosen route" : "";
  const [link] = links;
  if (links.length !== 1 || link === undefined) {
    const what = `${counted(links.length, "link")} ${between}, the worst ${state}`;
    return joined([what, alarmWords(alarms, severity), on]);
  }
  const { stock, rate, qber } = figuresOf(link);
  return joined([
    `link ${between}: ${state}`,
    link.reason,
    stock === undefined ? "" : `stock ${bits(stock)}`,
    rate === undefined ? "" : bitRate(rate),
    qber === undefined ? "" : `QBER ${percent(qber)}`,
    link.service === "in_service" ? "" : words(link.service),
    alarmWords(alarms, severity),
    on,
  ]);
}

/** @param {number} heard @param {number} t */
export function ago(heard, t) {
  return `${duration(t - heard)} ago`;
}
