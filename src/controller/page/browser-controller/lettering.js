// What is written on the map: names, and figures of links.
import { hasMark } from "./draw.js";
import { severities } from "./filter.js";
import { placed } from "./labels.js";
import { shortFigures } from "./words.js";

/** @typedef {import("./state.js").Symbol} Symbol */
/** @typedef {import("./state.js").Edge} Edge */
/** @typedef {{ x: number, y: number }} Point px */

/** @param {Symbol | Edge} one @param {string} chosen */
function importance({ key, severity, fits }, chosen) {
  const alarm = severity === "" ? 0 : 10 - severities.indexOf(severity);
  return (key === chosen ? 1_000 : 0) + (fits ? 100 : 0) + alarm;
}

/** @param {string} text */
function shortened(text) {
  const letters = [...text];
  return letters.length > 20 ? `${letters.slice(0, 19).join("")}…` : text;
}

/**
 * Names of sites, then of nodes, then figures of links: as many as have room.
 * @param {import("./draw.js").Drawn & { size: { width: number, height: number } }} drawn
 */
export function lettering({ scene, at: toScreen, radius, middle: middleOf, chosen, size }) {
  const seen = (/** @type {Point} */ { x, y }) =>
    x > -20 && y > -20 && x < size.width + 20 && y < size.height + 20;
  const order = (/** @type {Symbol | Edge} */ a, /** @type {Symbol | Edge} */ b) =>
    importance(b, chosen) - importance(a, chosen);
  const box = (/** @type {Point} */ { x, y }, /** @type {number} */ r) => {
    return { left: x - r, right: x + r, top: y - r, bottom: y + r };
  };
  const symbols = scene.symbols.filter((symbol) => seen(toScreen(symbol))).toSorted(order);
  // Of a chosen pair the figures of its route.
  const ofRoute = scene.edges.some(({ route }) => route === "used");
  const edges = scene.edges
    .filter((edge) => edge.fits && (!ofRoute || edge.route === "used" || edge.key === chosen))
    .filter((edge) => seen(middleOf(edge)))
    .toSorted(order);
  const marked = edges.filter(hasMark);
  const markedKeys = new Set(marked.map(({ key }) => key));
  const bodies = symbols.map((symbol) => box(toScreen(symbol), radius(symbol) + 1));
  const marks = marked.map((edge) => box(middleOf(edge), 9));
  /** @type {Map<string, Symbol[]>} */
  const near = new Map();
  for (const { from, to } of scene.edges) {
    near.set(from.key, [...(near.get(from.key) ?? []), to]);
    near.set(to.key, [...(near.get(to.key) ?? []), from]);
  }
  const sites = scene.sites.map(({ name, symbols: list }) => {
    const points = list.map(toScreen);
    const x = points.reduce((sum, point) => sum + point.x, 0) / points.length;
    const ys = points.map((point) => point.y);
    const [top, bottom] = [Math.min(...ys), Math.max(...ys)];
    const text = shortened(name);
    return {
      key: `of ${name}`,
      text,
      x,
      y: (top + bottom) / 2,
      // Above the site, or below it.
      r: (bottom - top) / 2 + 24,
      width: text.length * 6.6,
      height: 14,
      always: false,
    };
  });
  const first = placed(sites, [...bodies, ...marks], size);
  const second = placed(
    symbols.map((symbol) => {
      const text = shortened(symbol.name);
      const r = radius(symbol) + 2;
      const always = symbol.key === chosen;
      const ways = (near.get(symbol.key) ?? []).map((other) => {
        const [from, to] = [toScreen(symbol), toScreen(other)];
        const length = Math.hypot(to.x - from.x, to.y - from.y) || 1;
        return { x: (to.x - from.x) / length, y: (to.y - from.y) / length };
      });
      return {
        key: symbol.key,
        ...toScreen(symbol),
        r,
        width: text.length * 7 + 4,
        height: 15,
        always,
        ways,
      };
    }),
    first.taken,
    size,
  );
  const figures = edges.flatMap((edge) => {
    const [link] = edge.links;
    if (edge.links.length > 1 || link === undefined) return [];
    const lines = shortFigures(link).filter((text) => text !== "");
    const width = Math.max(...lines.map((text) => text.length)) * 6.2;
    const [a, b] = [toScreen(edge.from), toScreen(edge.to)];
    const room = Math.hypot(b.x - a.x, b.y - a.y) - radius(edge.from) - radius(edge.to);
    if (room < width + 8) return [];
    const height = lines.length * 13;
    const along = { x: b.x - a.x, y: b.y - a.y };
    return [
      {
        key: edge.key,
        lines,
        ...middleOf(edge),
        along,
        gap: edge.route === "used" ? 8 : 2,
        r: markedKeys.has(edge.key) ? 8 : 0,
        width,
        height,
        always: edge.key === chosen,
        fits: true,
      },
    ];
  });
  const third = placed(figures, second.taken, size);
  return [
    ...symbols.map(({ key, name, fits }) => ({
      key,
      kind: "name",
      lines: [shortened(name)],
      fits,
      at: second.places.get(key),
    })),
    ...sites.map(({ key, text }) => ({
      key,
      kind: "of",
      lines: [text],
      fits: true,
      at: first.places.get(key),
    })),
    ...figures.map(({ key, lines }) => ({
      key: `${key} ${lines.length}`,
      kind: "of-link",
      lines,
      fits: true,
      at: third.places.get(key),
    })),
  ].flatMap(({ at, ...rest }) => (at === undefined ? [] : [{ ...rest, ...at }]));
}
