// What nodes, links and pairs are called. Pure.

/** @typedef {import("./state.js").Node} Node */

/**
 * Nodes by their KM ID.
 * @param {readonly Node[]} nodes @returns {ReadonlyMap<string, Node>}
 */
export function byKm(nodes) {
  return new Map(nodes.map((node) => [node.km, node]));
}

/** @param {ReadonlyMap<string, Node>} nodes @param {string} km */
export function nameOf(nodes, km) {
  return nodes.get(km)?.name || km;
}

/** @param {ReadonlyMap<string, Node>} nodes @param {{ a: string, b: string }} ends */
export function between(nodes, { a, b }) {
  return `${nameOf(nodes, a)} – ${nameOf(nodes, b)}`;
}
