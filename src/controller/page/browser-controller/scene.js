// What is on the map: nodes, or closed sites, and links between them. Pure.
import { fitsLink, fitsNode, worst } from "./filter.js";
import { byKm } from "./names.js";

/** @typedef {import("./state.js").State} State */
/** @typedef {import("./state.js").Node} Node */
/** @typedef {import("./state.js").Link} Link */
/** @typedef {import("./state.js").Symbol} Symbol */
/** @typedef {import("./state.js").Edge} Edge */
/** @typedef {import("./layout.js").Point} Point */

/** From the worst to the best. */
const states = /** @type {const} */ (["bad", "unknown", "scarce", "good"]);

/** Of a few nodes all are shown by themselves. */
export const fewNodes = 40;

/** Sites of several nodes. @param {State} state */
export function largeSites({ nodes }) {
  const sites = Map.groupBy(nodes, ({ site }) => site);
  return [...sites].filter(([site, list]) => site !== "" && list.length > 1).map(([site]) => site);
}

/** @param {readonly Link[]} links @returns {Link["state"]} */
function worstState(links) {
  return states.find((state) => links.some((link) => link.state === state)) ?? "unknown";
}

/**
 * @param {State} state
 * @param {ReadonlyMap<string, Point>} places
 * @param {(site: string) => boolean} isClosed
 * @param {import("./state.js").Filter} filter
 * @param {{ used: readonly string[], others: readonly (readonly string[])[] }} routes of the chosen pair
 * @returns {import("./state.js").Scene}
 */
export function sceneOf(state, places, isClosed, filter, routes) {
  const { nodes, links } = state;
  const sites = Map.groupBy(nodes, ({ site }) => site);
  const siteOf = new Map(nodes.map(({ km, site }) => [km, site]));
  const closed = (/** @type {string} */ site) =>
    site !== "" && (sites.get(site)?.length ?? 0) > 1 && isClosed(site);
  const inside = Map.groupBy(links, ({ a, b }) =>
    siteOf.get(a) === siteOf.get(b) ? siteOf.get(a) : undefined,
  );
  /** @type {Map<string, Symbol>} */
  const symbols = new Map();
  /** @type {Map<string, Symbol>} */
  const byNode = new Map();
  for (const [site, list] of sites) {
    const groups = closed(site) ? [list] : list.map((node) => [node]);
    for (const group of groups) {
      const symbol = symbolOf(group, site, closed(site), places, filter, inside.get(site) ?? []);
      symbols.set(symbol.key, symbol);
      for (const { km } of group) byNode.set(km, symbol);
    }
  }
  const open = [...sites].flatMap(([name, list]) => {
    if (name === "" || list.length < 2 || closed(name)) return [];
    return [{ name, symbols: list.map(({ km }) => /** @type {Symbol} */ (byNode.get(km))) }];
  });
  const edges = edgesOf(links, byNode, filter, byKm(nodes), routes);
  return { symbols: [...symbols.values()], edges, sites: open };
}

/**
 * @param {readonly Node[]} group @param {string} site @param {boolean} isSite
 * @param {ReadonlyMap<string, Point>} places @param {import("./state.js").Filter} filter
 * @param {readonly Link[]} inner links within the site
 * @returns {Symbol}
 */
function symbolOf(group, site, isSite, places, filter, inner) {
  const [node] = /** @type {[Node]} */ (group);
  const points = group.map(({ km }) => places.get(km) ?? { x: 0.5, y: 0.5 });
  const alarms = [...group, ...(isSite ? inner : [])].flatMap((one) => one.alarms);
  const mean = (/** @type {(point: Point) => number} */ of) =>
    points.reduce((sum, point) => sum + of(point), 0) / points.length;
  return {
    key: isSite ? `site ${site}` : `node ${node.km}`,
    kind: isSite ? "site" : "node",
    id: isSite ? site : node.km,
    name: isSite ? site : node.name || node.km,
    x: mean(({ x }) => x),
    y: mean(({ y }) => y),
    nodes: group,
    site,
    severity: worst(alarms),
    alarms: alarms.length,
    attached: group.filter(({ attached }) => attached).length,
    fits: group.some((one) => fitsNode(one, filter)),
  };
}

/**
 * @param {readonly Link[]} links @param {ReadonlyMap<string, Symbol>} byNode
 * @param {import("./state.js").Filter} filter @param {ReadonlyMap<string, Node>} nodes
 * @param {{ used: readonly string[], others: readonly (readonly string[])[] }} routes
 * @returns {Edge[]}
 */
function edgesOf(links, byNode, filter, nodes, routes) {
  const used = hops(routes.used);
  const others = new Set(routes.others.flatMap((route) => [...hops(route)]));
  /** @type {Map<string, { from: Symbol, to: Symbol, links: Link[] }>} */
  const bundles = new Map();
  for (const link of links) {
    const [from, to] = [byNode.get(link.a), byNode.get(link.b)];
    if (from === undefined || to === undefined || from === to) continue;
    const isPlain = from.kind === "node" && to.kind === "node";
    const [first, last] = from.key < to.key ? [from, to] : [to, from];
    const key = isPlain ? `link ${link.link}` : `links ${first.key} ${last.key}`;
    const bundle = bundles.get(key) ?? {
      ...(isPlain ? { from, to } : { from: first, to: last }),
      links: [],
    };
    bundle.links.push(link);
    bundles.set(key, bundle);
  }
  return [...bundles].map(([key, bundle]) => {
    const alarms = bundle.links.flatMap((link) => link.alarms);
    const on = (/** @type {ReadonlySet<string>} */ set) =>
      bundle.links.some(({ a, b }) => set.has(hop(a, b)));
    return {
      ...bundle,
      key,
      state: worstState(bundle.links),
      severity: worst(alarms),
      alarms: alarms.length,
      fits: bundle.links.some((link) => fitsLink(link, filter, nodes)),
      route: on(used) ? "used" : on(others) ? "other" : "",
    };
  });
}

/** @param {string} a @param {string} b */
function hop(a, b) {
  return a < b ? `${a} ${b}` : `${b} ${a}`;
}

/** @param {readonly string[]} route @returns {ReadonlySet<string>} */
function hops(route) {
  return new Set(route.slice(1).map((km, i) => hop(/** @type {string} */ (route[i]), km)));
}
