/** Networks that are drawn, and how near the shares of their pairs are to the max-min fair optimum. */

import { defaultRules } from "../../../src/controller/policy/network.ts";
import { Graph, type GraphLink } from "../../../src/controller/routing/graph.ts";
import { Planner, type PlanRules } from "../../../src/controller/routing/planner.ts";
import { random } from "../../random.ts";
import { maxMinFairLarge } from "./max-min-large.ts";
import type { Kind } from "./shape.ts";

export interface FairOptions {
  readonly kind?: Kind;
  readonly nodes: number;
  /** Of a network that is drawn; default: 1.6 for each node. */
  readonly links?: number;
  readonly pairs: number;
  readonly rules?: Partial<PlanRules>;
  /** Part by which averages of links go up and down; default: 0.03. With more than 0.05 routes are sought anew for it. */
  readonly wave?: number;
}

export interface Fairness {
  /** What each pair has, by its optimum. */
  readonly parts: readonly number[];
  /** What links carry at the most, by what they can. */
  readonly load: number;
  /**
   * Changes of pairs that had changed before, while links only waver: one is worth it where a pair has come to have little, and
   * must do then.
   */
  readonly changes: number;
}

const terms = { weight: 1, guaranteed: 0, priority: 0, most: Number.POSITIVE_INFINITY };
/** Time of the plans that are looked at, and between two looks, ms. */
const [lifeMs, tickMs] = [600_000, 250];

/** One network and its plans, until long after they have settled. */
export function fairness(seed: number, options: FairOptions): Fairness {
  const draw = random(seed);
  const { graph, pairs } = networkOf(options, draw);
  const planner = new Planner({ ...defaultRules, ...options.rules }, { all: graph, open: graph });
  const plans = pairs.map(({ from, to }) => {
    const [a, b] = graph.names([from, to]) as [string, string];
    return planner.add(`${a}--${b}`, a, b, terms, 0, 0);
  });
  let changes = 0;
  const changed = new Set<string>();
  for (let now = 0; now < lifeMs; now += tickMs) {
    if (now % 60_000 === 0) planner.resize(wavering(graph, draw, options.wave ?? 0.03));
    for (const { plan } of planner.balance(now, now)) {
      if (now <= lifeMs / 2) continue;
      if (changed.has(plan.name)) changes++;
      changed.add(plan.name);
    }
  }
  planner.resize({ all: graph, open: graph });
  for (let now = lifeMs; now < lifeMs * 1.2; now += tickMs) planner.balance(now, now);
  const links = graph.links.map(({ a, b, capacity }) => {
    return { a: graph.numberOf(a), b: graph.numberOf(b), capacity };
  });
  const flows = { nodes: options.nodes, links, pairs };
  const optimum = maxMinFairLarge(flows, defaultRules.transit + 1);
  const load = [...planner.reserved()].map((sum, link) => sum / (graph.capacity[link] as number));
  return {
    parts: optimum.map((best, i) => (plans[i]?.share ?? 0) / best),
    load: Math.max(...load),
    changes,
  };
}

function wavering(graph: Graph, draw: () => number, wave: number): { all: Graph; open: Graph } {
  const links = graph.links.map((link) => ({
    ...link,
    capacity: link.capacity * (1 - wave + draw() * 2 * wave),
  }));
  const all = new Graph(graph.nodes, links);
  return { all, open: all };
}

function networkOf(
  { kind = "drawn", nodes, links: count, pairs: most }: FairOptions,
  draw: () => number,
) {
  const number = () => Math.floor(draw() * nodes);
  const names = Array.from({ length: nodes }, (_, i) => `n${i}`);
  const links = new Map<string, GraphLink>();
  const add = (i: number, j: number) => {
    const [a, b] = [names[Math.min(i, j)] as string, names[Math.max(i, j)] as string];
    const [capacity, cost] = [Math.exp(draw() * 3) * 1_000, draw() < 0.1 ? 3 : 1];
    if (i !== j && !links.has(`${a} ${b}`)) links.set(`${a} ${b}`, { a, b, capacity, cost });
  };
  const wide = Math.ceil(Math.sqrt(nodes));
  for (let i = 1; i < nodes; i++) {
    if (kind === "drawn") add(i, Math.floor(draw() * i));
    if (kind === "ring") add(i - 1, i);
    if (kind === "grid" && i % wide !== 0) add(i - 1, i);
    if (kind === "grid" && i >= wide) add(i - wide, i);
  }
  if (kind === "ring") add(0, nodes - 1);
  if (kind === "drawn") while (links.size < (count ?? nodes * 1.6)) add(number(), number());
  const pairs = new Map<string, { from: number; to: number; most: number }>();
  while (pairs.size < most) {
    const [from, to] = [number(), number()].sort((a, b) => a - b) as [number, number];
    if (from !== to) pairs.set(`${from} ${to}`, { from, to, most: terms.most });
  }
  return { graph: new Graph(names, [...links.values()]), pairs: [...pairs.values()] };
}
