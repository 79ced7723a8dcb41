/** What it costs a controller to compute routes: of all pairs of 100 nodes with 300 links. */
import { Graph } from "../../src/controller/routing/graph.ts";
import { fairShares } from "../../src/controller/routing/shares.ts";
import { Tables } from "../../src/controller/routing/tables.ts";
import { random } from "../../test/random.ts";
import { inOne } from "../../test/sim/controller/in-one.ts";
import { type Benchmark, cpuMeter, type Sample } from "./measure.ts";

const draw = random(1);
const number = () => Math.floor(draw() * 100);
const nodes = Array.from({ length: 100 }, (_, i) => `km${i}`);

function network(): Graph {
  const links = new Map<string, { a: string; b: string; capacity: number; cost: number }>();
  const add = (i: number, j: number) => {
    const [a, b] = [nodes[Math.min(i, j)] as string, nodes[Math.max(i, j)] as string];
    const cost = draw() < 0.1 ? 3 : 1;
    if (i !== j) links.set(`${a} ${b}`, { a, b, capacity: Math.exp(draw() * 3) * 1_000, cost });
  };
  for (let i = 1; i < 100; i++) add(i, Math.floor(draw() * i));
  while (links.size < 300) add(number(), number());
  return new Graph(nodes, [...links.values()]);
}

/** CPU of one, ms. */
function each(work: () => void, most: number): Sample {
  for (let i = 0; i < 3; i++) work();
  const meter = cpuMeter();
  const begun = performance.now();
  let count = 0;
  while (count < 3 || performance.now() - begun < most * 1_000) {
    work();
    count++;
  }
  const elapsed = performance.now() - begun;
  return { value: (meter() * elapsed) / count, notes: { times: count } };
}

export const controllerBenchmarks: readonly Benchmark[] = [
  {
    name: "controller routes",
    about: "widest-shortest routes between all of 100 nodes with 300 links",
    unit: "ms CPU",
    reach: { most: 5 },
    steady: true,
    subject: async (seconds) => {
      const graph = network();
      return each(() => new Tables(graph), seconds);
    },
  },
  {
    name: "controller shares",
    about: "max-min fair shares of 40 pairs in that network, by all ways there are, in slices",
    unit: "ms CPU",
    steady: true,
    subject: async (seconds) => {
      const graph = network();
      const tables = new Tables(graph);
      const demands = Array.from({ length: 40 }, () => {
        const [from, to] = [number(), number()];
        const most = Number.POSITIVE_INFINITY;
        const routes = [tables.route(from, to === from ? (to + 1) % 100 : to) ?? []];
        const end = routes[0]?.at(-1) ?? to;
        return { from, to: end, weight: 1, guaranteed: 0, priority: 0, most, isFree: true, routes };
      });
      return each(() => inOne((work) => fairShares(graph, 31, demands, work)), seconds);
    },
  },
];
