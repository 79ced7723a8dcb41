// Draws the scene: sites, routes, links, marks, nodes, figures and names, from the bottom up.
import { mark, say } from "./dom.js";
import { badges, draw, keepLayer, services, signs, waves } from "./svg.js";
import { edgeWords, endState, figuresOf, symbolWords } from "./words.js";

/** @typedef {import("./state.js").Symbol} Symbol */
/** @typedef {import("./state.js").Edge} Edge */
/** @typedef {{ x: number, y: number }} Point px */
/**
 * @typedef {object} Drawn
 * @property {import("./state.js").Scene} scene
 * @property {(symbol: Symbol) => Point} at
 * @property {(symbol: Symbol) => number} radius px
 * @property {(edge: Edge) => Point} middle of a link, or where its mark lies on no node
 * @property {string} chosen key of the symbol or edge that is chosen
 * @property {string} focus key of the one that Tab leads to
 * @property {boolean} moved all of it was drawn before, elsewhere
 */

/** @param {Element} map */
export function layersOf(map) {
  const names = ["sites", "routes", "links", "marks", "nodes", "names"];
  const layers = names.map((name) => draw("g", { class: name }));
  map.append(...layers);
  return /** @type {{ [name: string]: SVGElement }} */ (
    Object.fromEntries(names.map((name, i) => [name, layers[i]]))
  );
}

const round = (/** @type {number} */ n) => Math.round(n * 10) / 10;
const place = (/** @type {Point} */ { x, y }) => `translate(${round(x)} ${round(y)})`;
const line = (/** @type {Point} */ a, /** @type {Point} */ b) =>
  `M${round(a.x)} ${round(a.y)}L${round(b.x)} ${round(b.y)}`;

/** @param {Element} element @param {number} i */
const child = (element, i) => /** @type {Element} */ (element.children[i]);

/** @param {Record<string, SVGElement>} layers @param {Drawn} drawn */
export function drawLinks(
  { routes, links, marks },
  { scene, at, middle: middleOf, chosen, focus, moved },
) {
  if (routes === undefined || links === undefined || marks === undefined) return;
  const onRoutes = scene.edges.filter(({ route }) => route !== "");
  keepLayer(
    routes,
    onRoutes,
    ({ key }) => key,
    () => draw("path"),
    (element, { from, to, route }) => {
      mark(element, "data-route", route);
      mark(element, "d", line(at(from), at(to)));
    },
  );
  const hasPair = onRoutes.length > 0;
  keepLayer(
    links,
    scene.edges,
    ({ key }) => key,
    () =>
      draw(
        "g",
        { class: "link", role: "button" },
        draw("path", { class: "hit" }),
        draw("path", { class: "ring" }),
        draw("path", { class: "half" }),
        draw("path", { class: "half" }),
        draw("title"),
      ),
    (element, edge) => {
      const [a, b] = [at(edge.from), at(edge.to)];
      const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 };
      mark(child(element, 0), "d", line(a, b));
      mark(child(element, 1), "d", line(a, b));
      // From the end to the middle, so that dots of both halves begin alike.
      mark(child(element, 2), "d", line(a, middle));
      mark(child(element, 3), "d", line(b, middle));
      if (moved) return;
      const { links: list, fits, route, key } = edge;
      mark(element, "data-fits", String(fits));
      mark(element, "data-aside", String(hasPair && route === "" && key !== chosen));
      mark(element, "data-idle", String(serviceOf(list) !== ""));
      known(element, key, edgeWords(edge), chosen, focus);
      const [link] = list;
      const states =
        list.length === 1 && link !== undefined
          ? [endState(link, link.a), endState(link, link.b)]
          : [edge.state, edge.state];
      const width = String(widthOf(list));
      states.forEach((state, i) => {
        mark(child(element, i + 2), "data-state", state);
        mark(child(element, i + 2), "stroke-width", width);
      });
    },
  );
  drawMarks(marks, scene.edges, middleOf);
}

/** By the rate of its keys. @param {Edge["links"]} links */
function widthOf(links) {
  const rate = links.reduce((sum, link) => sum + (figuresOf(link).rate ?? 0), 0);
  return round(Math.min(5, 1.6 + 0.6 * Math.log10(1 + rate / 100)));
}

/** @param {SVGElement} layer @param {readonly Edge[]} edges @param {Drawn["middle"]} middleOf */
function drawMarks(layer, edges, middleOf) {
  const marked = edges.filter(hasMark);
  keepLayer(
    layer,
    marked,
    ({ key }) => key,
    () =>
      draw(
        "g",
        { class: "mark" },
        draw("circle", { r: "7.5" }),
        draw("path", { class: "sign" }),
        draw("g", {}, draw("path", { class: "badge" })),
      ),
    (element, edge) => {
      const { state, severity, links, fits } = edge;
      const service = serviceOf(links);
      const sign = services[service] ?? signs[state] ?? "";
      mark(element, "transform", place(middleOf(edge)));
      mark(element, "data-fits", String(fits));
      mark(element, "data-state", state);
      mark(element, "data-plain", String(sign === ""));
      mark(child(element, 1), "d", sign);
      const badge = child(element, 2);
      mark(badge, "data-severity", severity);
      mark(badge, "transform", sign === "" ? "scale(.85)" : "translate(14 -9) scale(.8)");
      mark(child(badge, 0), "d", badges[severity] ?? "");
    },
  );
}

/** @param {Edge} edge */
export function hasMark({ state, severity, links }) {
  return state !== "good" || severity !== "" || serviceOf(links) !== "";
}

/** @param {Edge["links"]} links */
function serviceOf(links) {
  const [first] = links;
  if (first === undefined || first.service === "in_service") return "";
  return links.every(({ service }) => service === first.service) ? first.service : "";
}

/**
 * What assistive technology is told, and a mouse that waits.
 * @param {Element} element @param {string} key @param {string} text @param {string} chosen @param {string} focus
 */
function known(element, key, text, chosen, focus) {
  mark(element, "aria-label", text);
  mark(element, "aria-pressed", String(key === chosen));
  mark(element, "tabindex", key === focus ? "0" : "-1");
  const title = element.lastElementChild;
  if (title !== null) say(title, text);
}

/** @param {Symbol} symbol */
function createSymbol({ kind }) {
  const shape = kind === "site" ? "rect" : "circle";
  return draw(
    "g",
    { class: kind, role: "button" },
    draw("circle", { class: "hit" }),
    draw(shape, { class: "ring" }),
    draw(shape, { class: "body" }),
    kind === "site"
      ? draw("text", { class: "number", dy: ".35em" })
      : draw("path", { class: "sign" }),
    draw("path", { class: "waves", d: waves }),
    draw("g", {}, draw("path", { class: "badge" }), draw("text", { dy: ".36em" })),
    draw("title"),
  );
}

/** @param {Element} shape @param {"site" | "node"} kind @param {number} r */
function size(shape, kind, r) {
  if (kind === "node") return mark(shape, "r", String(r));
  const side = { x: -r * 1.15, y: -r, width: r * 2.3, height: r * 2, rx: r * 0.35 };
  for (const [name, value] of Object.entries(side)) mark(shape, name, String(round(value)));
}

/** @param {Record<string, SVGElement>} layers @param {Drawn} drawn */
export function drawSymbols({ nodes }, { scene, at, radius, chosen, focus }) {
  if (nodes === undefined) return;
  keepLayer(
    nodes,
    scene.symbols,
    ({ key }) => key,
    createSymbol,
    (element, symbol) => {
      const { kind, nodes: list, attached, severity, alarms, fits } = symbol;
      const r = radius(symbol);
      mark(element, "transform", place(at(symbol)));
      mark(element, "data-fits", String(fits));
      const all = attached === list.length;
      mark(element, "data-attached", all ? "all" : attached === 0 ? "none" : "some");
      known(element, symbol.key, symbolWords(symbol), chosen, focus);
      mark(child(element, 0), "r", String(Math.max(r + 3, 13)));
      size(child(element, 1), kind, r + 4);
      size(child(element, 2), kind, r);
      const [node] = list;
      const sign = child(element, 3);
      if (kind === "site") say(sign, String(list.length));
      else {
        mark(sign, "d", services[node?.service ?? ""] ?? (all ? "" : (signs.unknown ?? "")));
        mark(sign, "transform", `scale(${round(r / 9)})`);
      }
      const controllers = list.flatMap((one) => one.controllers);
      const online = controllers.filter((one) => one.online).length;
      mark(
        child(element, 4),
        "data-online",
        controllers.length === 0 ? "none" : online === controllers.length ? "all" : "some",
      );
      mark(child(element, 4), "transform", `translate(${round(-r - 3)} ${round(-r - 1)})`);
      const badge = child(element, 5);
      mark(badge, "data-severity", severity);
      const scale = r < 8 ? 0.75 : 0.95;
      mark(badge, "transform", `translate(${round(r + 2)} ${round(-r - 1)}) scale(${scale})`);
      mark(child(badge, 0), "d", badges[severity] ?? "");
      say(child(badge, 1), alarms > 1 ? String(Math.min(alarms, 99)) : "");
    },
  );
}

/** The outline around points, in order (Andrew's monotone chain). @param {readonly Point[]} points */
function outline(points) {
  const sorted = points.toSorted((p, q) => p.x - q.x || p.y - q.y);
  const half = (/** @type {readonly Point[]} */ list) => {
    /** @type {Point[]} */
    const hull = [];
    for (const p of list) {
      for (;;) {
        const [a, b] = hull.slice(-2);
        if (a === undefined || b === undefined) break;
        if ((b.x - a.x) * (p.y - a.y) - (b.y - a.y) * (p.x - a.x) > 0) break;
        hull.pop();
      }
      hull.push(p);
    }
    return hull.slice(0, -1);
  };
  return [...half(sorted), ...half(sorted.toReversed())];
}

/** @param {Record<string, SVGElement>} layers @param {Drawn} drawn */
export function drawSites({ sites }, { scene, at }) {
  if (sites === undefined) return;
  keepLayer(
    sites,
    scene.sites,
    ({ name }) => name,
    () => draw("path"),
    (element, { symbols }) => {
      const points = outline(symbols.map(at));
      const d = points.map(({ x, y }) => `${round(x)} ${round(y)}`).join("L");
      mark(element, "d", `M${d}Z`);
    },
  );
}

/**
 * @param {Record<string, SVGElement>} layers
 * @param {readonly { key: string, kind: string, lines: readonly string[], x: number, y: number, fits: boolean }[]} list
 */
export function drawNames({ names }, list) {
  if (names === undefined) return;
  keepLayer(
    names,
    list,
    ({ key }) => key,
    ({ kind, lines }) =>
      draw(
        "text",
        { class: kind, "aria-hidden": "true" },
        ...lines.map(() => draw("tspan", { x: "0" })),
      ),
    (element, { lines, x, y, fits }) => {
      mark(element, "transform", place({ x, y }));
      mark(element, "data-fits", String(fits));
      lines.forEach((text, i) => {
        const span = child(element, i);
        mark(span, "dy", i === 0 ? `${0.35 - (lines.length - 1) * 0.6}em` : "1.2em");
        say(span, text);
      });
    },
  );
}
