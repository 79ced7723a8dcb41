// A controller's page: a map of the network, and what is known of it.
import { showChanges } from "./changes.js";
import { showDetails } from "./details.js";
import { byId, keepList, make, say } from "./dom.js";
import { fitsLink, fitsNode, isEmpty } from "./filter.js";
import { counted } from "./format.js";
import { legend } from "./legend.js";
import { showList } from "./lists.js";
import { onMapChoice, revealChoice, setClosed, showMap, uncover } from "./map.js";
import { merged } from "./merge.js";
import { byKm } from "./names.js";
import { askPairs, knownPairs } from "./pairs.js";
import { showFigures, showHeader, showOwnAlarms, showVerdict } from "./panels.js";
import { openShell } from "./shell.js";
import { showTold } from "./told.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Choice} Choice */
/** @typedef {import("./state.js").Pair} Pair */

/** @type {State | undefined} */
let state;
/** @type {Choice | undefined} */
let choice;
/** The pair whose route is shown. */
let pairId = "";
let filter = { search: "", severity: "", site: "" };

openShell({
  called: "the controller",
  unnamed: "QKDN controller",
  id: () => state?.controller.id ?? "QKDN controller",
  started: () => state?.controller.started ?? 0,
  show,
});

legend();

/** @param {import("./state.js").Message & { t: number }} message */
function show(message) {
  state = merged(state, message);
  showAll();
}

function showAll() {
  if (state === undefined) return;
  const pairs = knownPairs(state);
  const pair = pairId === "" ? undefined : pairs.find((one) => one.pair === pairId);
  showHeader(state);
  showVerdict(state);
  showFigures(state);
  showSites(state);
  showMap({ state, choice, pair, filter });
  showMatches(state);
  showDetails({ ...state, pairs: [...pairs] }, choice, pair);
  showOwnAlarms(state, showTold(state));
  const chosen = [
    ...(choice === undefined ? [] : [choice]),
    ...(pairId === "" ? [] : [{ kind: "pair", id: pairId }]),
  ];
  showList({ ...state, pairs: [...pairs] }, filter, chosen);
  showChanges(
    state,
    chosen.map(({ id }) => id),
  );
}

/** @param {State} state */
function showSites({ nodes }) {
  const names = [...new Set(nodes.map(({ site }) => site))].filter((site) => site !== "").sort();
  keepList(
    byId("site"),
    ["", ...names],
    (name) => name,
    (name) => make("option", { value: name }, name === "" ? "All sites" : name),
  );
}

/** @param {State} state */
function showMatches({ nodes, links }) {
  const known = byKm(nodes);
  const found = nodes.filter((node) => fitsNode(node, filter)).length;
  const between = links.filter((link) => fitsLink(link, filter, known)).length;
  const text = isEmpty(filter)
    ? ""
    : `${counted(found, "node")} and ${counted(between, "link")} fit`;
  say(byId("matches"), text);
}

/** @param {Choice | undefined} next */
function choose(next) {
  choice = next;
  if (next === undefined) pairId = "";
  showAll();
}

onMapChoice(choose);

/** @param {string} id */
function choosePair(id) {
  pairId = id;
  ask();
  showAll();
}

/** Of a large network not all pairs are sent. */
function ask() {
  if (state !== undefined) askPairs([filter.search, pairId], state, showAll);
}

// Names that choose, wherever they stand.
document.addEventListener("click", ({ target }) => {
  const button = target instanceof Element ? target.closest("button") : null;
  const { kind, id = "", close } = button?.dataset ?? {};
  if (state === undefined || button === null) return;
  if (button.id === "no-pair") {
    pairId = "";
    return showAll();
  }
  if (button.id === "leave") return choose(undefined);
  if (close !== undefined) return setClosed(close, true);
  if (kind === "pair") return choosePair(id);
  if (kind !== "node" && kind !== "link") return;
  uncover({ kind, id }, state);
  choose({ kind, id });
  revealChoice();
});

document.addEventListener("filter", showAll);

const value = (/** @type {string} */ id) =>
  /** @type {HTMLInputElement | HTMLSelectElement} */ (byId(id)).value;

byId("filter").addEventListener("input", () => {
  filter = {
    search: value("find").trim().toLowerCase(),
    severity: value("severity"),
    site: value("site"),
  };
  ask();
  showAll();
});

// Enter goes to the first that fits.
byId("filter").addEventListener("submit", (event) => {
  event.preventDefault();
  if (state === undefined || isEmpty(filter)) return;
  const known = byKm(state.nodes);
  const node = state.nodes.find((one) => fitsNode(one, filter));
  const link = state.links.find((one) => fitsLink(one, filter, known));
  const next =
    node !== undefined
      ? { kind: /** @type {const} */ ("node"), id: node.km }
      : link && { kind: /** @type {const} */ ("link"), id: link.link };
  if (next === undefined) return;
  uncover(next, state);
  choose(next);
  revealChoice();
});
