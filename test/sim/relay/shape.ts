/** Networks: drawn, or of the map; and the shortest routes in them. */

export type Edge = readonly [string, string];

/** The same for both its ends. */
export function linkName(a: string, b: string): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}

/** Up to so many routes without a KM twice, shortest first, each with both its ends. */
export function routesBetween(
  edges: readonly Edge[],
  from: string,
  to: string,
  most: number,
): string[][] {
  const found: string[][] = [];
  let routes = [[from]];
  for (let hops = 0; hops < 20 && routes.length > 0 && found.length < most; hops++) {
    const longer: string[][] = [];
    for (const route of routes) {
      const last = route.at(-1);
      for (const [a, b] of edges) {
        const next = a === last ? b : b === last ? a : undefined;
        if (next === undefined || route.includes(next)) continue;
        if (next === to) found.push([...route, next]);
        else if (longer.length < 2_000) longer.push([...route, next]);
      }
    }
    routes = longer;
  }
  return found.slice(0, most);
}

/** The 14 nodes of NSFNET (T1, 1991); spans stand for chains of what one QKD link reaches. */
export const nsfnet: readonly Edge[] = [
  ["wa", "ca1"],
  ["wa", "ca2"],
  ["wa", "il"],
  ["ca1", "ca2"],
  ["ca1", "ut"],
  ["ca2", "tx"],
  ["ut", "co"],
  ["ut", "mi"],
  ["co", "tx"],
  ["co", "ne"],
  ["ne", "il"],
  ["il", "pa"],
  ["tx", "ga"],
  ["tx", "md"],
  ["ga", "pa"],
  ["pa", "ny"],
  ["pa", "nj"],
  ["mi", "ny"],
  ["mi", "nj"],
  ["md", "ny"],
  ["md", "nj"],
];

/** A network in one piece: a tree, and some more fibres. */
export function drawFibres(kms: readonly string[], random: () => number): Edge[] {
  const edges: Edge[] = [];
  for (let i = 1; i < kms.length; i++) {
    edges.push([kms[Math.floor(random() * i)] as string, kms[i] as string]);
  }
  for (let i = 0; i < kms.length / 3; i++) {
    const [a, b] = [kms[Math.floor(random() * kms.length)], kms[Math.floor(random() * kms.length)]];
    if (a === undefined || b === undefined || a === b) continue;
    const isThere = edges.some(([x, y]) => (x === a && y === b) || (x === b && y === a));
    if (!isThere) edges.push([a, b]);
  }
  return edges;
}
