// The map: where everything is, what is chosen on it, and how it is reached by keys.
import { byId, mark } from "./dom.js";
import { drawLinks, drawNames, drawSites, drawSymbols, layersOf } from "./draw.js";
import { layOut } from "./layout.js";
import { lettering } from "./lettering.js";
import { Moving } from "./move.js";
import { fewNodes, largeSites, sceneOf } from "./scene.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Symbol} Symbol */
/** @typedef {import("./state.js").Edge} Edge */
/** @typedef {import("./state.js").Choice} Choice */
/**
 * @typedef {object} Shown
 * @property {State} state
 * @property {Choice | undefined} choice
 * @property {import("./state.js").Pair | undefined} pair
 * @property {import("./state.js").Filter} filter
 */
/** @typedef {{ x: number, y: number }} Point */

const map = /** @type {SVGSVGElement} */ (/** @type {unknown} */ (byId("map")));
const layers = layersOf(map);
const moving = new Moving(map, redrawSoon);

/** @type {Shown | undefined} */
let shown;
/** @type {(choice: Choice | undefined) => void} */
let onChoose = () => {};
/** Sites that a person opened or closed. @type {Map<string, boolean>} */
const closedByHand = new Map();
/** @type {Map<string, Point>} */
let places = new Map();
/** Of which network the places are. */
let laid = "";
/** Key of the symbol or edge that Tab leads to. */
let focus = "";
/** The node whose links are gone along. */
let origin = "";
/** @type {import("./state.js").Scene} */
let scene = { symbols: [], edges: [], sites: [] };
/** Where marks and figures of links are. @type {Map<string, Point>} */
const middles = new Map();
/** @type {(point: Point) => Point} */
let toScreen = (point) => point;

/** @param {(choice: Choice | undefined) => void} choose */
export function onMapChoice(choose) {
  onChoose = choose;
}

/** @param {string} site */
function isClosed(site) {
  const many = (shown?.state.nodes.length ?? 0) > fewNodes;
  return closedByHand.get(site) ?? many;
}

/** @param {string} site @param {boolean} closed */
export function setClosed(site, closed) {
  closedByHand.set(site, closed);
  redraw();
}

/** Opens what hides a choice. @param {Choice} choice @param {State} state */
export function uncover({ kind, id }, { nodes, links }) {
  const link = kind === "link" ? links.find((one) => one.link === id) : undefined;
  const kms = link === undefined ? [id] : [link.a, link.b];
  if (kind === "site") return;
  for (const { km, site } of nodes)
    if (kms.includes(km) && isClosed(site)) closedByHand.set(site, false);
}

/** Places are found anew only when the network is another; who has one keeps it. @param {State} state */
function lay({ nodes, links }) {
  const key = JSON.stringify([
    nodes.map(({ km, site, place }) => [km, site, place?.x, place?.y]),
    links.map(({ link }) => link),
  ]);
  if (key === laid) return;
  laid = key;
  const given = nodes.map(({ km, site, place }) => ({ id: km, site, place }));
  const fresh = nodes.filter(({ km }) => !places.has(km)).length;
  // A network that has only begun to be known is drawn anew.
  const known = fresh > nodes.length / 4 ? new Map() : places;
  places = layOut(given, links, known);
}

/** @param {Shown} next */
export function showMap(next) {
  shown = next;
  lay(next.state);
  const sites = largeSites(next.state);
  const button = byId("sites");
  button.hidden = sites.length === 0;
  const anyClosed = sites.some(isClosed);
  mark(button, "data-open", String(!anyClosed));
  button.textContent = anyClosed ? "Open all sites" : "Close sites";
  byId("no-nodes").hidden = next.state.nodes.length > 0;
  redraw();
}

byId("sites").addEventListener("click", () => {
  if (shown === undefined) return;
  const close = byId("sites").dataset.open === "true";
  for (const site of largeSites(shown.state)) closedByHand.set(site, close);
  showMap(shown);
});

/** All of the network within the frame, with room for names; stretched a little where that uses it better. */
function within() {
  const { width, height } = moving.size;
  const small = width < 500;
  const [padX, padY] = small ? [34, 34] : [70, 48];
  const xs = [...places.values()].map(({ x }) => x);
  const ys = [...places.values()].map(({ y }) => y);
  const [left, top] = [Math.min(...xs), Math.min(...ys)];
  const [w, h] = [Math.max(...xs) - left, Math.max(...ys) - top];
  let sx = (width - 2 * padX) / (w || 1);
  let sy = (height - 2 * padY) / (h || 1);
  sx = Math.min(sx, sy * 1.8);
  sy = Math.min(sy, sx * 1.8);
  const x0 = (width - w * sx) / 2;
  const y0 = (height - h * sy) / 2;
  return (/** @type {Point} */ { x, y }) => ({ x: x0 + (x - left) * sx, y: y0 + (y - top) * sy });
}

/** @param {Symbol} symbol */
function radius({ kind, nodes }) {
  const n = scene.symbols.length;
  const base = n <= 8 ? 13 : n <= 30 ? 10 : n <= 130 ? 7.5 : 5.5;
  const grown = Math.min(14, base * Math.sqrt(Math.min(4, moving.view.k)));
  if (kind === "node") return grown;
  const small = moving.size.width < 500 ? 0.72 : 1;
  return Math.max(12, Math.min(22, 9 + 2.5 * Math.sqrt(nodes.length))) * small;
}

function chosenKey() {
  const choice = shown?.choice;
  if (choice === undefined) return "";
  const edge = scene.edges.find(({ links }) => links.some(({ link }) => link === choice.id));
  return choice.kind === "link" ? (edge?.key ?? "") : `${choice.kind} ${choice.id}`;
}

let isDue = false;

/** Once for each picture of the screen, however often it is moved. */
function redrawSoon() {
  if (isDue) return;
  isDue = true;
  requestAnimationFrame(() => {
    isDue = false;
    redraw(true);
  });
}

/** @param {boolean} moved what is shown is the same, elsewhere */
function redraw(moved = false) {
  if (shown === undefined || moving.size.width === 0) return;
  const { state, pair, filter } = shown;
  const routes = { used: pair?.route ?? [], others: pair?.others ?? [] };
  if (!moved) scene = sceneOf(state, places, isClosed, filter, routes);
  const base = within();
  const { k, x, y } = moving.view;
  toScreen = (point) => {
    const at = base(point);
    return { x: at.x * k + x, y: at.y * k + y };
  };
  middles.clear();
  mark(map, "data-dense", String(scene.edges.length > 120));
  const keys = new Set([...scene.symbols, ...scene.edges].map(({ key }) => key));
  const chosen = chosenKey();
  if (!keys.has(focus)) focus = keys.has(chosen) ? chosen : (scene.symbols[0]?.key ?? "");
  const drawn = { scene, at: toScreen, radius, middle: middleOf, chosen, focus, moved };
  drawSites(layers, drawn);
  drawLinks(layers, drawn);
  drawSymbols(layers, drawn);
  drawNames(layers, lettering({ ...drawn, size: moving.size }));
}

/** Of a link, or beside it where a node lies there. @param {Edge} edge @returns {Point} */
function middleOf({ key, from, to }) {
  const [a, b] = [toScreen(from), toScreen(to)];
  const points = [0.5, 0.36, 0.64, 0.25, 0.75].map((part) => {
    return { x: a.x + (b.x - a.x) * part, y: a.y + (b.y - a.y) * part };
  });
  const [middle = a] = points;
  const kept = middles.get(key);
  if (kept !== undefined) return kept;
  const free = (/** @type {Point} */ { x, y }) =>
    scene.symbols.every((symbol) => {
      const at = toScreen(symbol);
      return Math.hypot(at.x - x, at.y - y) > radius(symbol) + 10;
    });
  const found = points.find(free) ?? middle;
  middles.set(key, found);
  return found;
}

/** Brings a choice into view. */
export function revealChoice() {
  const key = chosenKey();
  const symbol = scene.symbols.find((one) => one.key === key);
  const edge = scene.edges.find((one) => one.key === key);
  if (symbol !== undefined) moving.reveal(toScreen(symbol));
  else if (edge !== undefined) moving.reveal(middleOf(edge));
}

/** @param {string} key */
function choose(key) {
  const symbol = scene.symbols.find((one) => one.key === key);
  if (symbol !== undefined) {
    if (symbol.kind === "site") closedByHand.set(symbol.id, false);
    return onChoose({ kind: symbol.kind, id: symbol.id });
  }
  const edge = scene.edges.find((one) => one.key === key);
  const [link] = edge?.links ?? [];
  if (edge === undefined || link === undefined) return;
  if (edge.links.length === 1) return onChoose({ kind: "link", id: link.link });
  // Several links are one line only while a site is closed.
  const closed = [edge.from, edge.to].filter(({ kind }) => kind === "site");
  for (const { id } of closed) closedByHand.set(id, false);
  onChoose({ kind: "site", id: closed[0]?.id ?? "" });
}

map.addEventListener("click", ({ target }) => {
  const element = target instanceof Element ? target.closest("[data-key]") : null;
  const key = element?.getAttribute("data-key") ?? "";
  if (element?.parentElement?.classList.contains("sites")) onChoose({ kind: "site", id: key });
  else if (key !== "") choose(key);
});

// Not on the drawing itself: one that listens to it would be a stop of Tab.
byId("map-frame").addEventListener("focusin", ({ target }) => {
  const key = target instanceof Element ? target.getAttribute("data-key") : null;
  if (key === null || key === focus) return;
  focus = key;
  if (scene.symbols.some((one) => one.key === key)) origin = key;
  redraw();
});

/** @param {string} key */
function goTo(key) {
  focus = key;
  redraw();
  const element = [...map.querySelectorAll("[tabindex]")].find(
    (one) => one.getAttribute("data-key") === key,
  );
  if (element instanceof SVGElement) element.focus();
  const edge = scene.edges.find((one) => one.key === key);
  const symbol = scene.symbols.find((one) => one.key === key);
  if (edge !== undefined) moving.reveal(middleOf(edge));
  else if (symbol !== undefined) moving.reveal(toScreen(symbol));
}

/** The nearest symbol in a direction. @param {number} dx @param {number} dy */
function toward(dx, dy) {
  const edge = scene.edges.find(({ key }) => key === focus);
  const symbol = scene.symbols.find(({ key }) => key === focus);
  if (edge === undefined && symbol === undefined) return;
  const here = edge === undefined ? toScreen(/** @type {Symbol} */ (symbol)) : middleOf(edge);
  let best = { key: "", score: Number.POSITIVE_INFINITY };
  for (const one of scene.symbols) {
    const at = toScreen(one);
    const along = (at.x - here.x) * dx + (at.y - here.y) * dy;
    const across = Math.abs((at.x - here.x) * dy - (at.y - here.y) * dx);
    const score = along + 2 * across;
    if (along > 1 && across <= 2 * along && score < best.score) best = { key: one.key, score };
  }
  if (best.key !== "") goTo(best.key);
}

function alongLinks() {
  if (!scene.symbols.some(({ key }) => key === origin)) origin = focus;
  const own = scene.edges.filter(({ from, to }) => from.key === origin || to.key === origin);
  const next = own[(own.findIndex(({ key }) => key === focus) + 1) % own.length];
  if (next !== undefined) goTo(next.key);
}

const step = 60;
/** @type {Readonly<Record<string, readonly [number, number]>>} */
const arrows = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
/** @type {Readonly<Record<string, () => void>>} */
const keys = {
  "+": () => moving.zoom(1.4),
  "=": () => moving.zoom(1.4),
  "-": () => moving.zoom(1 / 1.4),
  0: () => moving.all(),
  l: alongLinks,
  L: alongLinks,
  Enter: () => choose(focus),
  " ": () => choose(focus),
  Escape: () => onChoose(undefined),
};

map.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = arrows[event.key];
  const act = keys[event.key];
  if (arrow === undefined && act === undefined) return;
  event.preventDefault();
  if (arrow === undefined) return act?.();
  const [dx, dy] = arrow;
  if (event.shiftKey) moving.pan(-dx * step, -dy * step);
  else toward(dx, dy);
});

byId("zoom-in").addEventListener("click", () => moving.zoom(1.5));
byId("zoom-out").addEventListener("click", () => moving.zoom(1 / 1.5));
byId("zoom-all").addEventListener("click", () => moving.all());
function resized() {
  moving.size = { width: map.clientWidth, height: map.clientHeight };
  redraw();
}

resized();
new ResizeObserver(resized).observe(map);
