/**
 * Few routes for each pair that carry most of what it has. The fairest shares take as many ways as links are full, and
 * the last of them bring little: with a part of the shares given up links are not full, and far fewer ways do. What is
 * given up is had again when shares are computed over these alone.
 */
import type { Share } from "./demand.ts";
import type { Graph } from "./graph.ts";
import { Program, type Work } from "./simplex.ts";

/** Part of the shares that is kept. */
const kept = 0.9;
/** Turns in which small ways are made dearer. */
const turns = 3;
/** A way with less than this part of a share is one that is to be given up. */
const small = 0.05;

/** Routes of a pair, as numbers of nodes. */
export type Numbers = readonly (readonly number[])[];

/** In slices, each as long as `work` lasts. @param most routes of a pair @returns those of each pair, the largest first */
export function* fewRoutes(
  graph: Graph,
  shares: readonly Share[],
  most: number,
  work: Work,
): Generator<undefined, Numbers[]> {
  const unit = graph.capacity.reduce((max, capacity) => Math.max(max, capacity), 1);
  const program = new Program(
    [
      ...shares.map(() => 0),
      ...Array.from(graph.capacity, (capacity) => Math.max(0, capacity) / unit),
    ],
    work,
  );
  const ways = shares.flatMap(({ rate, routes }, pair) => {
    const used = routes.filter((one) => one.rate > rate * 1e-6);
    used.sort((a, b) => b.rate - a.rate);
    return used.map(({ route, rate: part }, i) => {
      const links = route.slice(1).map((node, j) => graph.linkBetween(route[j] as number, node));
      const variable = program.add([
        [pair, -1],
        ...links.map((link) => [shares.length + link, 1] as const),
      ]);
      if (i === 0) program.enter(variable, pair);
      return { pair, route, variable, hops: links.length, part: part / rate };
    });
  });
  const level = program.add(shares.map(({ rate }, pair) => [pair, rate / unit]));
  program.bound(level, kept);
  program.aim((one) => (one === level ? 1 : 0));
  while (!program.solve()) yield;
  program.lock();
  for (let turn = 0; turn < turns; turn++) {
    const costs = new Map(
      ways.map(({ variable, pair, part, hops }) => {
        const rate = (shares[pair] as Share).rate / unit;
        return [variable, (1 + hops * 0.02) / (part + small) / rate / shares.length];
      }),
    );
    program.aim((one) => -(costs.get(one) ?? 0));
    while (!program.solve()) yield;
    const x = program.values();
    for (const way of ways) {
      way.part = (x[way.variable] as number) / ((shares[way.pair] as Share).rate / unit);
    }
  }
  const found = shares.map((): { route: readonly number[]; part: number }[] => []);
  for (const { pair, route, part } of ways) if (part > 1e-3) found[pair]?.push({ route, part });
  return found.map((some) => {
    some.sort((a, b) => b.part - a.part);
    return some.slice(0, most).map(({ route }) => route);
  });
}
