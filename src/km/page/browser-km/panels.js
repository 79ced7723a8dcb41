// Most of what is text on the page: header, verdict, figures, alarms.
import { showAlarms } from "./alarms.js";
import { showCondition, showTitle } from "./condition.js";
import { byId, say } from "./dom.js";
import { gauge, showFigure } from "./figures.js";
import { amount, count, counted, duration, scaled } from "./format.js";
import { commandsFor } from "./type.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {State["links"][number]} Link */

/** @param {State} state */
export function showHeader({ t, km }) {
  say(byId("own-id"), km.id);
  const up = duration(t - km.started);
  const nodes = `${counted(km.nodes_connected, "node")} connected`;
  say(byId("own-facts"), `qkd-km ${km.version}, up ${up}, ${nodes}`);
}

/** @param {Link | undefined} link @param {State} state */
export function showVerdict(link, { condition, t, km, links, alarms }) {
  const shown = link?.condition ?? condition;
  showCondition(shown, t);
  const where = links.length > 1 && link !== undefined ? `${km.id} ${link.name}` : km.id;
  showTitle(alarms.length, where, shown.text);
}

/** @param {number} bits @param {number} unit */
function units(bits, unit) {
  if (unit === 0) return "";
  return `${counted(Math.floor(bits / unit), "key")} of ${count(unit)}\u00a0bit`;
}

/** @param {Link | undefined} link @param {State} state */
export function showFigures(link, { store }) {
  const fill = store.limit_bytes === 0 ? 0 : store.disk_bytes / store.limit_bytes;
  const value = /** @type {[string, string]} */ ([(fill * 100).toFixed(1), "%"]);
  const of = `${amount(store.disk_bytes, "B")} of ${amount(store.limit_bytes, "B")}`;
  showFigure("figure-store", value, store.full ? "full: no key is taken" : of);
  gauge("figure-store", fill, { low: 0.8, high: 0.95, optimum: 0 });
  if (link === undefined) return;
  const { stock_bits, peer_stock_bits, unit_bits, waiting_keys, waiting_bits, oldest_s } = link;
  const known = link.session === "ready" ? "good" : "stale";
  showFigure("figure-own", scaled(stock_bits, "bit"), units(stock_bits, unit_bits), known);
  showFigure(
    "figure-peer",
    scaled(peer_stock_bits, "bit"),
    units(peer_stock_bits, unit_bits),
    known,
  );
  const oldest =
    waiting_keys === 0
      ? "all are compared"
      : `${amount(waiting_bits, "bit")}, oldest ${duration(oldest_s * 1_000)}`;
  const late = oldest_s > 60 ? "stale" : "good";
  showFigure(
    "figure-waiting",
    [count(waiting_keys), waiting_keys === 1 ? "key" : "keys"],
    oldest,
    late,
  );
}

/** @param {State} state */
export function showKmAlarms({ alarms, t }) {
  showAlarms(alarms, t, commandsFor, "At the key manager");
}
