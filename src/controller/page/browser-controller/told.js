// Alarms of nodes and links, the worst first; new ones are said aloud.
import { sayAloud } from "./aloud.js";
import { byId, keepList, make, say } from "./dom.js";
import { severities } from "./filter.js";
import { capital, words } from "./format.js";
import { between, byKm } from "./names.js";
import { moment } from "./time.js";

/** @typedef {import("./state.js").State} State */

const mostShown = 200;
/** @type {Set<string> | undefined} */
let said;

/** @param {State} state */
function all({ nodes, links }) {
  const known = byKm(nodes);
  const ofNodes = nodes.flatMap(({ km, name, alarms }) =>
    alarms.map((alarm) => ({ ...alarm, kind: "node", id: km, where: name || km })),
  );
  const ofLinks = links.flatMap((link) =>
    link.alarms.map((alarm) => ({
      ...alarm,
      kind: "link",
      id: link.link,
      where: between(known, link),
    })),
  );
  return [...ofNodes, ...ofLinks].sort(
    (a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity) || b.since - a.since,
  );
}

/** @typedef {ReturnType<typeof all>[number]} Told */

/** @param {Told} told */
const keyOf = ({ kind, id, name, severity, by }) => `${kind} ${id} ${name} ${severity} ${by}`;

/** @param {State} state @returns {readonly Told[]} all of them */
export function showTold(state) {
  const list = all(state);
  byId("told-list").hidden = list.length === 0;
  keepList(
    byId("told-list"),
    list.slice(0, mostShown),
    (told) => `${keyOf(told)} ${told.since}`,
    (told) =>
      make(
        "li",
        { "data-severity": told.severity },
        make("b", {}, capital(told.severity)),
        make(
          "button",
          { type: "button", class: "name", "data-kind": told.kind, "data-id": told.id },
          told.where,
        ),
        make("span", {}, words(told.name)),
        make("small", { class: "dim" }),
      ),
    (element, { since, by }) => {
      const how = by === "ck" ? "by its key manager" : "over MQTT";
      say(/** @type {Element} */ (element.lastElementChild), `${moment(since, state.t)}, ${how}`);
    },
  );
  announce(list);
  return list;
}

/** @param {readonly Told[]} list */
function announce(list) {
  const fresh = said === undefined ? [] : list.filter((told) => !said?.has(keyOf(told)));
  said = new Set(list.map(keyOf));
  sayAloud(
    fresh.map(({ severity, where, name }) => ({ severity, text: `${where}: ${words(name)}` })),
  );
}
