// What nodes, links and pairs are called. Pure.

/** @typedef {import("./state.js").Node} Node */

/**
 * Nodes by their KM ID.
 * @param {readonly Node[]} nodes @returns {ReadonlyMap<string, Node>}
 */
export function byKm(nodes) {
  return new Map(nodes.map((node) => [node.km, node]));
}

/** Letters that are written from right to left. */
const fromRight = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]/;

/**
 * Two names from right to left, one after the other, would change places: each is set apart from what is round it.
 * @param {ReadonlyMap<string, Node>} nodes @param {string} km
 */
export function nameOf(nodes, km) {
  const name = nodes.get(km)?.name || km;
  return fromRight.test(name) ? `\u2068${name}\u2069` : name;
}

/** @param {ReadonlyMap<string, Node>} nodes @param {{ a: string, b: string }} ends */
export function between(nodes, { a, b }) {
  return `${nameOf(nodes, a)} – ${nameOf(nodes, b)}`;
}
