// The same as on the map, in words: links, nodes, pairs, the worst first.
import { byId, keepList, make, mark, say } from "./dom.js";
import { fitsLink, fitsNode, fitsPair, severities, worst } from "./filter.js";
import { capital, count, percent, words } from "./format.js";
import { between, byKm, nameOf } from "./names.js";
import { bitRate, bits, figuresOf, orDash } from "./words.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Filter} Filter */
/** @typedef {{ text: string, tone?: string, severity?: string }} Cell */
/** @typedef {{ kind: string, id: string, name: string, worst: number, cells: readonly Cell[] }} Row */
/** @typedef {readonly [title: string, kind: "" | "number" | "wide" | "wide number"]} Column */

const mostRows = 200;
const tones = { good: "good", scarce: "attention", bad: "bad", unknown: "waiting" };

/** @type {Readonly<Record<string, readonly Column[]>>} */
const columns = {
  links: [
    ["Link", ""],
    ["State", ""],
    ["Stock", "number"],
    ["Key rate", "number"],
    ["QBER", "number"],
    ["Promised", "wide number"],
    ["Alarms", ""],
    ["Why", "wide"],
  ],
  nodes: [
    ["Node", ""],
    ["State", ""],
    ["Site", ""],
    ["Applications", "wide number"],
    ["Over MQTT", "wide"],
    ["Alarms", ""],
  ],
  pairs: [
    ["Pair", ""],
    ["Route", ""],
    ["Share", "number"],
    ["Demand", "number"],
    ["Stock", "wide number"],
    ["Sessions", "number"],
    ["Class", "wide"],
  ],
};

let which = "links";

byId("which").addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("button") : null;
  if (button?.dataset.list === undefined) return;
  which = button.dataset.list;
  for (const one of byId("which").querySelectorAll("button"))
    mark(one, "aria-pressed", String(one === button));
  byId("list").dispatchEvent(new Event("filter", { bubbles: true }));
});

/** @param {readonly { severity: string }[]} alarms @returns {Cell} */
function alarmCell(alarms) {
  const severity = worst(alarms);
  return severity === ""
    ? { text: "–" }
    : { text: `${count(alarms.length)} · ${severity}`, severity };
}

/** @param {readonly { severity: string }[]} alarms */
const alarmRank = (alarms) => (alarms.length === 0 ? 9 : severities.indexOf(worst(alarms)));

/** @param {import("./state.js").Link} link @param {ReadonlyMap<string, import("./state.js").Node>} nodes @returns {Row} */
function linkRow(link, nodes) {
  const { link: id, state, service, reason, alarms, reserved_rate } = link;
  const { stock, rate, qber } = figuresOf(link);
  const order = ["bad", "unknown", "scarce", "good"].indexOf(state);
  return {
    kind: "link",
    id,
    name: between(nodes, link),
    worst: order * 10 + alarmRank(alarms),
    cells: [
      {
        text: service === "in_service" ? state : `${state}, ${words(service)}`,
        tone: tones[state],
      },
      { text: orDash(stock, bits) },
      { text: orDash(rate, bitRate) },
      { text: orDash(qber, percent) },
      { text: bitRate(reserved_rate) },
      alarmCell(alarms),
      { text: reason },
    ],
  };
}

/** @param {import("./state.js").Node} node @returns {Row} */
function nodeRow({ km, name, site, attached, service, applications, controllers, alarms }) {
  const online = controllers.filter((one) => one.online).length;
  const state = attached ? "connected" : "not connected";
  return {
    kind: "node",
    id: km,
    name: name || km,
    worst: (attached ? 10 : 0) + alarmRank(alarms),
    cells: [
      {
        text: service === "in_service" ? state : `${state}, ${words(service)}`,
        tone: attached ? "good" : "attention",
      },
      { text: site },
      { text: count(applications.length) },
      { text: controllers.length === 0 ? "–" : `${online} of ${controllers.length}` },
      alarmCell(alarms),
    ],
  };
}

/** @param {import("./state.js").Pair} one @param {ReadonlyMap<string, import("./state.js").Node>} nodes @returns {Row} */
function pairRow(one, nodes) {
  const { pair, route, share, demand, stock_bits, sessions, class: kind } = one;
  const through = route.map((km) => nameOf(nodes, km)).join(" › ");
  return {
    kind: "pair",
    id: pair,
    name: between(nodes, one),
    worst: route.length === 0 ? 0 : 1,
    cells: [
      { text: through || "no route", tone: through === "" ? "bad" : "" },
      { text: bitRate(share) },
      { text: bitRate(demand) },
      { text: orDash(stock_bits, bits) },
      { text: count(sessions) },
      { text: kind },
    ],
  };
}

/** @param {State} state @param {Filter} filter @returns {Row[]} */
function rowsOf({ nodes, links, pairs }, filter) {
  const known = byKm(nodes);
  if (which === "nodes") return nodes.filter((node) => fitsNode(node, filter)).map(nodeRow);
  if (which === "links") {
    return links
      .filter((link) => fitsLink(link, filter, known))
      .map((link) => linkRow(link, known));
  }
  return pairs.filter((pair) => fitsPair(pair, filter, known)).map((pair) => pairRow(pair, known));
}

/** @param {Row} row @param {readonly Column[]} shape */
function create({ kind, id }, shape) {
  const button = make("button", {
    type: "button",
    class: "name",
    "data-kind": kind,
    "data-id": id,
  });
  const cells = shape
    .slice(1)
    .map(([title, how]) => make("td", { class: how, "data-title": title }));
  return make("tr", {}, make("th", { scope: "row" }, button), ...cells);
}

/** @param {Element} element @param {Row} row @param {boolean} chosen */
function update(element, { id, name, cells }, chosen) {
  const [head, ...rest] = element.children;
  const button = head?.firstElementChild;
  if (button !== null && button !== undefined) {
    say(button, name);
    mark(button, "title", id);
    mark(button, "aria-pressed", String(chosen));
  }
  mark(element, "data-chosen", String(chosen));
  cells.forEach(({ text, tone = "", severity = "" }, i) => {
    const cell = rest[i];
    if (cell === undefined) return;
    say(cell, text);
    mark(cell, "data-level", tone);
    mark(cell, "data-severity", severity);
  });
}

/**
 * @param {State} state @param {Filter} filter
 * @param {readonly { kind: string, id: string }[]} chosen
 */
export function showList(state, filter, chosen) {
  const shape = columns[which] ?? [];
  const table = byId("list");
  const [head, body] = /** @type {[Element, Element]} */ ([...table.children]);
  if (table.dataset.list !== which) {
    table.dataset.list = which;
    const titles = shape.map(([title, how]) => make("th", { scope: "col", class: how }, title));
    head.replaceChildren(make("tr", {}, ...titles));
    body.replaceChildren();
  }
  const rows = rowsOf(state, filter).sort(
    (a, b) => a.worst - b.worst || (a.name < b.name ? -1 : 1),
  );
  const focused = document.activeElement;
  keepList(
    body,
    rows.slice(0, mostRows),
    ({ id }) => id,
    (row) => create(row, shape),
    (element, row) =>
      update(
        element,
        row,
        chosen.some(({ kind, id }) => kind === row.kind && id === row.id),
      ),
  );
  // What is moved loses the focus.
  if (focused instanceof HTMLElement && body.contains(focused))
    focused.focus({ preventScroll: true });
  const { pairs: all } = state.totals;
  const unsent = which === "pairs" ? all - state.pairs.length : 0;
  const left = Math.max(0, rows.length - mostRows) + unsent;
  const nothing = rows.length === 0 ? `${capital(which)} that fit: none.` : "";
  say(byId("more"), left > 0 ? `${count(left)} more: search for them.` : nothing);
}
