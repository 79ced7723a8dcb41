// Single numbers, large, with a note below and perhaps a scale.
import { byId, fill, make, mark, say } from "./dom.js";

/**
 * @param {string} id of its panel @param {[value: string, unit: string]} shown
 * @param {string} note @param {string} [quality] `good`, or why it is not to be believed
 */
export function showFigure(id, [value, unit], note, quality = "good") {
  const panel = byId(id);
  mark(panel, "data-quality", quality);
  const [, number, below] = /** @type {Element[]} */ ([...panel.children]);
  if (number === undefined || below === undefined) return;
  // A thousand million is wider than its panel.
  mark(number, "data-long", String(value.length > 9));
  fill(number, value, ...(unit === "" ? [] : [" ", make("small", {}, unit)]));
  say(below, note);
}

/** @param {string} id @param {number} value @param {{ low: number, high: number, optimum: number }} bounds */
export function gauge(id, value, { low, high, optimum }) {
  const meter = /** @type {HTMLMeterElement} */ (byId(id).querySelector("meter"));
  Object.assign(meter, { low, high, optimum, value: Math.min(1, Math.max(0, value)) });
}
