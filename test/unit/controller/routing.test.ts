import test from "ava";
import type { Share, ShareDemand } from "../../../src/controller/routing/demand.ts";
import { Filled } from "../../../src/controller/routing/filled.ts";
import { Graph } from "../../../src/controller/routing/graph.ts";
import { nextHops } from "../../../src/controller/routing/next-hop.ts";
import { Raising } from "../../../src/controller/routing/raising.ts";
import { fairShares } from "../../../src/controller/routing/shares.ts";
import { Program } from "../../../src/controller/routing/simplex.ts";
import { Tables } from "../../../src/controller/routing/tables.ts";
import { rounds } from "../../campaign-scale.ts";
import { settle } from "../../clock.ts";
import { random } from "../../random.ts";
import { type FairOptions, fairness } from "../../sim/controller/fairness.ts";
import { inOne } from "../../sim/controller/in-one.ts";
import { maxMinFair } from "../../sim/controller/max-min.ts";
import { maxMinFairLarge } from "../../sim/controller/max-min-large.ts";

function sharesOf(graph: Graph, hops: number, demands: readonly ShareDemand[]): Share[] {
  return inOne((work) => fairShares(graph, hops, demands, work));
}

interface Drawn {
  readonly graph: Graph;
  readonly pairs: readonly { readonly from: number; readonly to: number; readonly most: number }[];
}

function drawn(seed: number): Drawn {
  const draw = random(seed);
  const n = 4 + Math.floor(draw() * 6);
  const nodes = Array.from({ length: n }, (_, i) => `n${i}`);
  const links = new Map<string, { a: string; b: string; capacity: number; cost: number }>();
  const add = (i: number, j: number) => {
    const [a, b] = [nodes[Math.min(i, j)] as string, nodes[Math.max(i, j)] as string];
    const capacity = Math.exp(draw() * 5) * 1_000;
    const cost = draw() < 0.2 ? 3 : 1;
    if (a !== b && !links.has(a + b)) links.set(a + b, { a, b, capacity, cost });
  };
  for (let i = 1; i < n; i++) add(i, Math.floor(draw() * i));
  for (let i = Math.floor(draw() * n); i > 0; i--) {
    add(Math.floor(draw() * n), Math.floor(draw() * n));
  }
  const pairs = new Map<string, { from: number; to: number; most: number }>();
  for (let i = 2 + Math.floor(draw() * 8); i > 0; i--) {
    const [from, to] = [Math.floor(draw() * n), Math.floor(draw() * n)];
    const most = draw() < 0.3 ? Math.exp(draw() * 5) * 1_000 : Number.POSITIVE_INFINITY;
    if (from !== to) pairs.set([from, to].sort().join(), { from, to, most });
  }
  return { graph: new Graph(nodes, [...links.values()]), pairs: [...pairs.values()] };
}

test("in small networks each pair gets what it has by the max-min fair optimum, and no link carries more than it can", async (t) => {
  let least = 1;
  for (let seed = 1; seed <= rounds(600); seed++) {
    if (seed % 50 === 0) await settle();
    const { graph, pairs } = drawn(seed);
    const tables = new Tables(graph);
    const shares = sharesOf(
      graph,
      graph.nodes.length - 1,
      pairs.map((pair) => {
        const route = tables.route(pair.from, pair.to) ?? [];
        return { ...pair, weight: 1, guaranteed: 0, priority: 0, isFree: true, routes: [route] };
      }),
    );
    const optimum = maxMinFair({
      nodes: graph.nodes.length,
      links: graph.links.map(({ a, b, capacity }) => {
        return { a: graph.numberOf(a), b: graph.numberOf(b), capacity };
      }),
      pairs,
    });
    for (const [i, best] of optimum.entries()) {
      least = Math.min(least, (shares[i]?.rate ?? 0) / best);
    }
    const load = new Float64Array(graph.links.length);
    for (const { routes } of shares) {
      for (const { route, rate } of routes) {
        t.is(new Set(route).size, route.length);
        for (let i = 1; i < route.length; i++) {
          const link = graph.linkBetween(route[i - 1] as number, route[i] as number);
          load[link] = (load[link] as number) + rate;
        }
      }
    }
    t.true(load.every((sum, link) => sum <= (graph.capacity[link] as number) * 1.000_001));
    t.true(shares.every(({ rate }, i) => rate <= (pairs[i]?.most as number) * 1.000_001));
  }
  t.true(least >= 0.999, `${least}`);
});

const networks: readonly (FairOptions & { readonly seed: number })[] = [
  { seed: 1, nodes: 24, pairs: 24 },
  { seed: 4, kind: "ring", nodes: 30, pairs: 12 },
  { seed: 2, nodes: 100, pairs: 30 },
  { seed: 3, nodes: 40, pairs: 40 },
  { seed: 5, kind: "grid", nodes: 100, pairs: 40 },
];

test("by the routes that pairs take, none has less than 0.8 of its max-min fair optimum, and they stay", async (t) => {
  for (const { seed, ...options } of networks.slice(0, Math.max(3, rounds(5)))) {
    await settle();
    const { parts, load, changes } = fairness(seed, options);
    t.true(Math.min(...parts) >= 0.8, `${seed}: ${Math.min(...parts)}`);
    t.true(load <= 1.04, `${seed}: ${load}`);
    t.is(changes, 0, `${seed}`);
  }
});

test("pairs that take turns are found: changes need not be worth it", (t) => {
  const options = { nodes: 24, pairs: 24, wave: 0.06 };
  t.true(fairness(1, { ...options, rules: { hysteresis: -0.5 } }).changes > 0);
  t.is(fairness(1, options).changes, 0);
});

test("ways that are found as they are needed give the same optimum as all of them", async (t) => {
  for (let seed = 1; seed <= rounds(200); seed++) {
    if (seed % 50 === 0) await settle();
    const { graph, pairs } = drawn(seed);
    const links = graph.links.map(({ a, b, capacity }) => {
      return { a: graph.numberOf(a), b: graph.numberOf(b), capacity };
    });
    const flows = { nodes: graph.nodes.length, links, pairs };
    const [all, some] = [maxMinFair(flows), maxMinFairLarge(flows)];
    for (const [i, best] of all.entries()) t.true(Math.abs((some[i] ?? 0) - best) <= best * 1e-6);
  }
});

test("shares by moving, for larger networks: 0.8 of the optimum in nearly all pairs", async (t) => {
  const parts: number[] = [];
  for (let seed = 1; seed <= rounds(60); seed++) {
    if (seed % 20 === 0) await settle();
    const { graph, pairs } = drawn(seed);
    const tables = new Tables(graph);
    const demands = pairs.map((pair) => {
      const route = tables.route(pair.from, pair.to) ?? [];
      return { ...pair, weight: 1, guaranteed: 0, priority: 0, isFree: true, routes: [route] };
    });
    const exact = sharesOf(graph, 9, demands);
    const moved = new Raising(graph, 9, demands, 1.1).compute();
    for (const [i, { rate }] of exact.entries()) parts.push((moved[i]?.rate ?? 0) / rate);
  }
  const low = parts.filter((part) => part < 0.8).length;
  t.true(low <= Math.ceil(parts.length * 0.01), `${low} of ${parts.length}`);
});

test("a program goes on from where its work was over; what was reached is kept by the next goal", (t) => {
  const work = { left: 1e6 };
  // Two share the first limit; the second alone has the other.
  const program = new Program([1, 0.8], work);
  const [one, two] = [
    program.add([[0, 1]]),
    program.add([
      [0, 1],
      [1, 1],
    ]),
  ];
  program.aim((variable) => (variable === two ? 1 : 0));
  work.left = 0;
  t.false(program.solve());
  work.left = 1e6;
  t.true(program.solve());
  t.deepEqual([...program.prices()], [0, 1]);
  program.lock();
  program.aim((variable) => (variable === one ? 1 : 0));
  t.true(program.solve());
  t.true(Math.abs((program.values()[one] as number) - 0.2) < 1e-9);
  t.is(program.values()[two], 0.8);
  const late = program.add([[0, 1]]);
  program.bound(late, 0.1);
  program.aim((variable) => (variable === late ? 1 : 0));
  t.true(program.solve());
  t.deepEqual(
    [one, late].map((i) => Math.round((program.values()[i] as number) * 1e6)),
    [1e5, 1e5],
  );
});

test("shares are computed in slices, and are the same as in one", (t) => {
  const { graph, pairs } = drawn(7);
  const tables = new Tables(graph);
  const demands = pairs.map((pair) => {
    const routes = [tables.route(pair.from, pair.to) ?? []];
    return { ...pair, weight: 1, guaranteed: 0, priority: 0, isFree: true, routes };
  });
  const work = { left: 0 };
  const steps = new Filled(graph, 9, demands, work).compute();
  let slices = 0;
  for (;;) {
    work.left = 1;
    const { done, value } = steps.next();
    slices++;
    if (!done) continue;
    t.deepEqual(value, sharesOf(graph, 9, demands));
    break;
  }
  t.true(slices > 5, `${slices}`);
});

test("routes are the shortest, and of the shortest the widest; scarce links count as three", (t) => {
  const link = (a: string, b: string, capacity: number, cost = 1) => ({ a, b, capacity, cost });
  const graph = new Graph(
    ["a", "b", "c", "d", "e"],
    [
      link("a", "b", 5),
      link("b", "d", 5),
      link("a", "c", 9),
      link("c", "d", 7),
      link("a", "d", 99, 3),
      link("a", "e", 99),
    ],
  );
  const tables = new Tables(graph);
  t.deepEqual(graph.names(tables.route(0, 3) ?? []), ["a", "c", "d"]);
  t.is(tables.width(0, 3), 7);
  t.deepEqual(
    tables.alternatives(0, 3, 5).map((route) => graph.names(route).join("")),
    ["acd", "abd", "ad"],
  );
  t.is(new Tables(new Graph(["a", "b"], [])).route(0, 1), undefined);
});

test("whichever next hops are taken, a relay comes nowhere twice, also on a route that is not the shortest", (t) => {
  for (let seed = 1; seed <= 200; seed++) {
    const draw = random(seed);
    const { graph, pairs } = drawn(seed);
    const tables = new Tables(graph);
    for (const { from, to } of pairs) {
      const routes = [undefined, ...tables.alternatives(from, to, 4)];
      const route = routes[Math.floor(draw() * routes.length)];
      for (let walk = 0; walk < 5; walk++) {
        const been = [from];
        for (let at = from; at !== to; ) {
          const hops = nextHops(tables, at, to, route);
          const next = hops[Math.floor(draw() * hops.length)] as number;
          t.false(been.includes(next), `seed ${seed}: ${been} ${next}`);
          if (next === undefined || been.includes(next)) return;
          been.push(next);
          at = next;
        }
      }
    }
  }
});

test("guarantees come first, by priority; the rest is shared by weight", (t) => {
  const graph = new Graph(
    ["a", "b", "c"],
    [
      { a: "a", b: "b", capacity: 1_000, cost: 1 },
      { a: "b", b: "c", capacity: 1_000, cost: 1 },
    ],
  );
  const demand = (weight: number, guaranteed = 0, priority = 0) => ({
    from: 0,
    to: 2,
    weight,
    guaranteed,
    priority,
    most: Number.POSITIVE_INFINITY,
    isFree: true,
    routes: [[0, 1, 2]],
  });
  const rates = (...demands: ReturnType<typeof demand>[]) =>
    sharesOf(graph, 5, demands).map(({ rate }) => rate);
  const [one = 0, two = 0] = rates(demand(1), demand(3));
  t.true(Math.abs(two / one - 3) < 0.5, `${two / one}`);
  const [plain = 0, sure = 0] = rates(demand(1), demand(1, 800, 1));
  t.true(sure >= 780 && plain > 100, `${sure} ${plain}`);
  const [low = 0, high = 0] = rates(demand(1, 800, 1), demand(1, 800, 2));
  t.true(high >= 780 && low < 210, `${high} ${low}`);
});
