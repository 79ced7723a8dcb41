// All that is known of what is chosen: a node, a link, a site; and the route of a pair.
import { byId, fill, make } from "./dom.js";
import { factsGroup } from "./facts.js";
import { amount, capital, count, counted, percent, words } from "./format.js";
import { between, byKm, nameOf } from "./names.js";
import { moment, zoneOf } from "./time.js";
import { ago, bitRate, bits } from "./words.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Choice} Choice */
/** @typedef {import("./state.js").Alarm} Alarm */

const mostListed = 12;

/** A name that chooses. @param {string} kind @param {string} id @param {string} [text] */
export function nameButton(kind, id, text = id) {
  return make("button", { type: "button", class: "name", "data-kind": kind, "data-id": id }, text);
}

/** @param {string} title @param {readonly Node[]} items */
function group(title, items) {
  if (items.length === 0) return [];
  const shown = items.slice(0, mostListed).map((item) => make("li", {}, item));
  const rest = items.length - shown.length;
  const more = rest > 0 ? [make("li", { class: "dim" }, `and ${count(rest)} more`)] : [];
  return [
    make("div", { class: "group" }, make("h3", {}, title), make("ul", {}, ...shown, ...more)),
  ];
}

/** @param {readonly Alarm[]} alarms @param {number} t */
function alarmGroup(alarms, t) {
  return group(
    "Alarms",
    alarms.map(({ name, severity, by, since }) =>
      make(
        "span",
        { class: "alarmed", "data-severity": severity },
        make("b", {}, capital(severity)),
        ` ${words(name)} `,
        make(
          "small",
          { class: "dim" },
          `since ${moment(since, t)}, ${by === "ck" ? "by its key manager" : "over MQTT"}`,
        ),
      ),
    ),
  );
}

/** A state, with its colour. @param {string} level @param {string} state */
function tone(level, state) {
  return make(
    "span",
    { class: "state", "data-level": level },
    make("span", { class: "dot" }),
    state,
  );
}

/** @param {string} kind @param {string} name @param {string} level @param {string} state */
function heading(kind, name, level, state) {
  const tone = make(
    "span",
    { class: "state", "data-level": level },
    make("span", { class: "dot" }),
    state,
  );
  return make(
    "h3",
    { class: "heading" },
    make("span", { class: "dim" }, `${kind} `),
    name,
    " ",
    tone,
  );
}

/** @param {string} service */
const serviceText = (service) => (service === "in_service" ? undefined : words(service));
/** @param {string} origin */
const originText = (origin) =>
  origin === "learnt" ? "seen in reports, not configured" : "configured";
const levels = { good: "good", scarce: "attention", bad: "bad", unknown: "waiting" };

/** @param {State} state @param {string} id */
function nodeDetails({ nodes, links, pairs, t }, id) {
  const node = nodes.find(({ km }) => km === id);
  if (node === undefined) return gone("node", id);
  const known = byKm(nodes);
  const own = links.filter(({ a, b }) => a === id || b === id);
  const ofNode = pairs.filter(({ a, b }) => a === id || b === id);
  return [
    heading(
      "Node",
      node.name || id,
      node.attached ? "good" : "attention",
      node.attached ? "connected" : "not connected",
    ),
    factsGroup("", [
      ["Key manager", node.km],
      ["Site", node.site],
      [
        node.attached ? "Connected" : "Not connected",
        `since ${moment(node.since, t)} ${zoneOf(node.since)}`,
      ],
      ["Service", serviceText(node.service)],
      ["Origin", originText(node.origin)],
      ["Applications", node.applications.join(", ")],
    ]),
    ...alarmGroup(node.alarms, t),
    ...group(
      "Links",
      own.map(({ link, a, b, state }) => {
        const other = a === id ? b : a;
        const tone = make(
          "span",
          { class: "state", "data-level": levels[state] },
          make("span", { class: "dot" }),
          state,
        );
        return make("span", {}, nameButton("link", link, nameOf(known, other)), " ", tone);
      }),
    ),
    ...group(
      "Node controllers over MQTT",
      node.controllers.map(({ node: name, online, heard }) => {
        const tone = make(
          "span",
          { class: "state", "data-level": online ? "good" : "attention" },
          make("span", { class: "dot" }),
          online ? "online" : "offline",
        );
        const last = online ? "" : `, heard ${ago(heard, t)}`;
        return make("span", {}, `${name} `, tone, last);
      }),
    ),
    ...group(
      "Pairs",
      ofNode.map(({ pair, a, b }) =>
        nameButton("pair", pair, `to ${nameOf(known, a === id ? b : a)}`),
      ),
    ),
  ];
}

/** @param {State} state @param {string} id */
function linkDetails({ links, nodes, pairs, t }, id) {
  const link = links.find((one) => one.link === id);
  if (link === undefined) return gone("link", id);
  const known = byKm(nodes);
  const over = pairs.filter(({ route }) =>
    route.some(
      (km, i) =>
        (km === link.a && route[i + 1] === link.b) || (km === link.b && route[i + 1] === link.a),
    ),
  );
  return [
    heading("Link", between(known, link), levels[link.state], link.state),
    ...(link.reason === "" ? [] : [make("p", { class: "why" }, `${capital(link.reason)}.`)]),
    endsTable(link, known, t),
    ...alarmGroup(link.alarms, t),
    factsGroup("For routing", [
      ["Link ID", link.link],
      ["Average stock", bits(link.average_stock_bits)],
      ["Average rate", bitRate(link.average_key_rate)],
      ["Promised to relays", bitRate(link.reserved_rate)],
      ["Service", serviceText(link.service)],
      ["Fibre", link.length_km === undefined ? undefined : amount(link.length_km * 1_000, "m")],
      ["Origin", originText(link.origin)],
    ]),
    ...group(
      "Pairs relayed over it",
      over.map((pair) => nameButton("pair", pair.pair, between(known, pair))),
    ),
  ];
}

/**
 * Both ends beside each other.
 * @param {import("./state.js").Link} link @param {ReadonlyMap<string, import("./state.js").Node>} known @param {number} t
 */
function endsTable({ a, b, ends }, known, t) {
  const of = [a, b].map((km) => ends.find((end) => end.km === km));
  /** @typedef {NonNullable<(typeof of)[number]>} End */
  /** @type {[string, (end: End) => string | undefined][]} */
  const rows = [
    ["Link", (end) => (end.up ? "up" : "down")],
    ["Stock", (end) => bits(end.stock_bits)],
    ["Key rate", (end) => (end.key_rate === undefined ? undefined : bitRate(end.key_rate))],
    [
      "Used",
      (end) => (end.consumption_rate === undefined ? undefined : bitRate(end.consumption_rate)),
    ],
    ["QBER", (end) => (end.qber === undefined ? undefined : percent(end.qber))],
    ["Reported", (end) => moment(end.heard, t)],
  ];
  const head = make(
    "tr",
    {},
    make("th", { scope: "col" }, make("span", { class: "unseen" }, "Figure")),
    ...[a, b].map((km) => make("th", { scope: "col" }, nameButton("node", km, nameOf(known, km)))),
  );
  const body = rows.map(([title, text]) =>
    make(
      "tr",
      {},
      make("th", { scope: "row" }, title),
      ...of.map((end) => make("td", {}, (end && text(end)) ?? "–")),
    ),
  );
  return make("table", { class: "ends" }, make("thead", {}, head), make("tbody", {}, ...body));
}

/** @param {State} state @param {string} id */
function siteDetails({ nodes }, id) {
  const own = nodes.filter(({ site }) => site === id);
  const attached = own.filter((node) => node.attached).length;
  const all = attached === own.length;
  return [
    heading(
      "Site",
      id,
      all ? "good" : "attention",
      `${attached} of ${counted(own.length, "node")} connected`,
    ),
    make(
      "p",
      {},
      make("button", { type: "button", "data-close": id }, "Close this site on the map"),
    ),
    ...group(
      "Nodes",
      own.map(({ km, name }) => nameButton("node", km, name || km)),
    ),
  ];
}

/** @param {string} kind @param {string} id */
function gone(kind, id) {
  return [make("p", { class: "dim" }, `The ${kind} ${id} is not there any more.`)];
}

/** @param {State} state @param {import("./state.js").Pair} pair */
function routeDetails({ nodes, sessions, t }, pair) {
  const known = byKm(nodes);
  const way = (/** @type {readonly string[]} */ route) =>
    make(
      "ol",
      { class: "way" },
      ...route.map((km) => make("li", {}, nameButton("node", km, nameOf(known, km)))),
    );
  const ofPair = sessions.filter(
    ({ source_km, destination_km }) =>
      [source_km, destination_km].includes(pair.a) && [source_km, destination_km].includes(pair.b),
  );
  const isRouted = pair.route.length > 0;
  return [
    heading(
      "Pair",
      between(known, pair),
      isRouted ? "good" : "bad",
      isRouted ? "has a route" : "no route",
    ),
    ...(isRouted ? [make("p", { class: "used" }, "In use"), way(pair.route)] : []),
    ...pair.others
      .slice(0, 3)
      .flatMap((route, i) => [
        make("p", { class: "dim" }, i === 0 ? "If that fails" : "Or"),
        way(route),
      ]),
    factsGroup("", [
      [
        "In use",
        pair.since === undefined
          ? undefined
          : `since ${moment(pair.since, t)} ${zoneOf(pair.since)}`,
      ],
      ["Carries at most", bitRate(pair.share)],
      ["Demand", bitRate(pair.demand)],
      ["Stock", pair.stock_bits === undefined ? undefined : bits(pair.stock_bits)],
      ["Relays ordered", `${count(pair.relays)}, ${count(pair.failed)} failed`],
      ["Ordered, not begun", pair.ordered_bits > 0 ? bits(pair.ordered_bits) : undefined],
      ["Class of service", pair.class],
      ["Open sessions", count(pair.sessions)],
    ]),
    ...group(
      "Sessions",
      ofPair.map(({ source, destination, state, since }) =>
        make("span", {}, `${source} → ${destination}, ${state} since ${moment(since, t)}`),
      ),
    ),
    make("p", {}, make("button", { type: "button", id: "no-pair" }, "Take the route off the map")),
  ];
}

const buttonsOf = (/** @type {Element} */ box) => [...box.querySelectorAll("button")];

/** Who has the focus keeps it. @param {Element} box @param {readonly Node[]} parts */
function refill(box, parts) {
  const focused = /** @type {HTMLButtonElement | null} */ (document.activeElement);
  const at = focused !== null && box.contains(focused) ? buttonsOf(box).indexOf(focused) : -1;
  fill(box, ...parts);
  if (at >= 0 && !box.contains(document.activeElement))
    buttonsOf(box)[at]?.focus({ preventScroll: true });
}

/** What to look at first, while nothing is chosen. @param {State} state */
function lookAt({ nodes, links }) {
  const known = byKm(nodes);
  const wanting = links
    .filter(({ state }) => state !== "good")
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
    .map((link) =>
      make(
        "span",
        {},
        nameButton("link", link.link, between(known, link)),
        " ",
        tone(levels[link.state], link.state),
        make("small", { class: "dim" }, link.reason === "" ? "" : ` ${link.reason}`),
      ),
    );
  const away = nodes
    .filter(({ attached }) => !attached)
    .map(({ km, name }) =>
      make("span", {}, nameButton("node", km, name || km), " ", tone("attention", "not connected")),
    );
  const fine = nodes.length > 0 && links.length > 0 && wanting.length + away.length === 0;
  return [
    make(
      "p",
      { class: "dim" },
      "Choose a node, a link or a site on the map or in the list, or a pair to see its route.",
    ),
    ...(fine ? [make("p", { class: "calm" }, "All nodes are connected, all links are good.")] : []),
    ...group("Links to look at", wanting),
    ...group("Nodes to look at", away),
  ];
}

const order = ["bad", "unknown", "scarce", "good"];

/** @param {State} state @param {Choice | undefined} choice @param {import("./state.js").Pair | undefined} pair */
export function showDetails(state, choice, pair) {
  const kinds = { node: nodeDetails, link: linkDetails, site: siteDetails };
  const chosen = choice === undefined ? [] : kinds[choice.kind](state, choice.id);
  refill(byId("route"), pair === undefined ? [] : routeDetails(state, pair));
  refill(byId("chosen"), chosen.length === 0 && pair === undefined ? lookAt(state) : chosen);
  byId("leave").hidden = choice === undefined && pair === undefined;
  byId("details").dataset.empty = String(choice === undefined && pair === undefined);
}
