// Most of what is text on the page: header, verdict, figures, alarms.
import { showAlarms } from "./alarms.js";
import { showCondition, showTitle, todo } from "./condition.js";
import { byId, make, say } from "./dom.js";
import { gauge, showFigure } from "./figures.js";
import { counter, figure } from "./flow.js";
import { amount, count, duration, percent, scaled } from "./format.js";
import { commandsFor } from "./type.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["modules"][number]} Module */

/** @param {State} state */
export function showHeader({ t, node }) {
  say(byId("own-id"), node.id);
  const up = duration(t - node.started);
  const broker = node.broker?.up === false ? ", manager not connected" : "";
  const key = node.panel?.maintenance ? ", key switch at maintenance" : "";
  const bench = node.development ? ", development image" : "";
  say(byId("own-facts"), `qkd-node ${node.version}${bench}, up ${up}${broker}${key}`);
}

/** @param {Module} module @param {State} state */
export function showVerdict({ condition, state, name, kept_back }, { t, modules, node, alarms }) {
  const { level, text } = condition;
  // What else is wrong beside the first.
  const more = level === "bad" && state.reason !== "" && !text.includes(state.reason);
  showCondition(condition, t, {
    detail: more ? state.reason : "",
    more: kept_back.map(({ count: n, text: what, command }) =>
      todo(make("b", {}, `Kept back: ${count(n)} `), `${what} · `, make("code", {}, command)),
    ),
  });
  showTitle(alarms.length, modules.length > 1 ? `${node.id} ${name}` : node.id, text);
}

/** @param {{ age_ms: number, quality: string }} report @param {string} good */
function noteOf(report, good) {
  if (report.quality === "stale") return `last told ${duration(report.age_ms)} ago`;
  if (report.quality === "out_of_range") return "out of range: not to be believed";
  return good;
}

/** @param {Module} module */
export function showFigures(module) {
  const qber = figure(module, "qber");
  const limit = module.qber_limit ?? 0.11;
  const limits = `limit ${percent(limit, 1)}`;
  if (qber === undefined) showFigure("figure-qber", ["–", ""], "not reported");
  else {
    const value = /** @type {[string, string]} */ ([(qber.last * 100).toFixed(2), "%"]);
    showFigure("figure-qber", value, noteOf(qber, limits), qber.quality);
  }
  gauge("figure-qber", (qber?.last ?? 0) / limit, { low: 0.73, high: 0.99, optimum: 0 });

  const rate = figure(module, "secret_key_rate");
  if (rate === undefined) showFigure("figure-rate", ["–", ""], "not reported");
  else {
    const note = noteOf(rate, "distilled by the module");
    showFigure("figure-rate", scaled(rate.last, "bit/s"), note, rate.quality);
  }
  const repeats = counter(module, "repeats");
  const again = repeats === 0 ? "" : `, ${count(repeats)} repeated`;
  const bits = `${amount(counter(module, "bits"), "bit")} since start${again}`;
  showFigure("figure-keys", [count(counter(module, "confirmed")), ""], bits);

  const full = figure(module, "key_buffer_fill");
  const held = figure(module, "key_buffer_bits");
  if (full === undefined) showFigure("figure-buffer", ["–", ""], "not reported");
  else {
    const value = /** @type {[string, string]} */ ([(full.last * 100).toFixed(1), "%"]);
    const note = held === undefined ? "filled" : `${amount(held.last, "bit")} held`;
    showFigure("figure-buffer", value, noteOf(full, note), full.quality);
  }
  gauge("figure-buffer", full?.last ?? 0, { low: 0.5, high: 0.8, optimum: 0 });
}

/** @param {State} state */
export function showNodeAlarms({ alarms, t, node }) {
  showAlarms(alarms, t, (alarm) => commandsFor(alarm, node), "At the node");
}
