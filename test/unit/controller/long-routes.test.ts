/** Key managers with IDs so long that some routes have no room in the message that passes a key on. */
import test from "ava";
import { parseControllerConfig } from "../../../src/controller/config/load.ts";
import { defaultRules } from "../../../src/controller/policy/network.ts";
import { fittingWay, manualProblem, routeProblem } from "../../../src/controller/routing/fits.ts";
import { Graph } from "../../../src/controller/routing/graph.ts";
import { Planner } from "../../../src/controller/routing/planner.ts";
import { limits } from "../../../src/wire/ck/names.ts";
import { limits as kx } from "../../../src/wire/kx/names.ts";

const long = (n: number) => String.fromCodePoint(0x10400 + n).repeat(limits.id);
const hop = (a: string, b: string, capacity = 1_000) => ({ a, b, capacity, cost: 1 });
const chain = (nodes: readonly string[], capacity?: number) =>
  nodes.slice(1).map((node, i) => hop(nodes[i] as string, node, capacity));
const terms = { weight: 1, guaranteed: 0, priority: 0, most: Number.POSITIVE_INFINITY };

/** From `a` to `z`, by each of these ways. */
function planner(...ways: readonly (readonly string[])[]): Planner {
  const nodes = new Set(ways.flat());
  const graph = new Graph(
    [...nodes],
    ways.flatMap((way, i) => chain(way, i === 0 ? 9_000 : 1_000)),
  );
  return new Planner(defaultRules, { all: graph, open: graph });
}

test("what a route may have is what the KM link's message may have", (t) => {
  t.is(limits.routeKms, kx.routeKms);
  t.is(limits.routeBytes, kx.routeBytes);
  const eight = Array.from({ length: 8 }, (_, n) => long(n));
  t.is(routeProblem(eight), undefined);
  t.is(
    routeProblem([...eight, "z"]),
    "a route whose KM IDs have 4097 bytes: 4096 at the most, both ends included",
  );
  const many = Array.from({ length: 33 }, (_, n) => `km-${n}`);
  t.is(routeProblem(many.slice(1)), undefined);
  t.is(routeProblem(many), "a route of 33 key managers: 32 at the most, both ends included");
});

test("a route that no key manager takes is not planned: a longer one is, if it is taken", (t) => {
  const short = ["a", ...Array.from({ length: 8 }, (_, n) => long(n)), "z"];
  const detour = ["a", ...Array.from({ length: 12 }, (_, n) => `km-${n}`), "z"];
  const alone = planner(short).add("a--z", "a", "z", terms, 0, 0);
  t.deepEqual(alone.routes, []);

  const both = planner(short, detour);
  const plan = both.add("a--z", "a", "z", terms, 0, 0);
  const routes = () => plan.routes.map(({ route }) => route);
  t.deepEqual(routes(), [detour]);
  // The other way could carry nine times as much.
  for (let s = 1; s <= 300; s++) both.balance(s * 1_000, s * 1_000);
  t.deepEqual(routes(), [detour]);
  t.deepEqual(both.others(plan), []);
  const manual = both.add("m", "a", "z", { ...terms, manual: [short, detour] }, 0, 0);
  t.deepEqual(manual.routes[0]?.route, detour);
});

test("a way of too many nodes has another sought for it only where links are shunned", (t) => {
  const far = ["a", "b", "c", "z"];
  const looked: number[] = [];
  const way = (...shunned: Parameters<typeof hop>[]) => {
    const more = shunned.map((one) => ({ ...hop(...one), cost: 9 }));
    const graph = new Graph(far, [...chain(far), ...more]);
    const mayUse = (link: number) => looked.push(link) > 0;
    const found = fittingWay(graph, [0, 1, 2, 3], { from: 0, to: 3, mayUse }, 2);
    return found && graph.names(found);
  };
  t.is(way(), undefined);
  t.deepEqual(looked, []);
  t.deepEqual(way(["a", "c"]), ["a", "c", "z"]);
});

test("a route by hand that no key manager takes is refused, with the limit", (t) => {
  const between = Array.from({ length: 31 }, (_, n) => `km-${n}`);
  t.is(manualProblem("a", "z", [["a", ...between.slice(1), "z"]]), undefined);
  const limit = "a route of 33 key managers: 32 at the most, both ends included";
  t.is(manualProblem("a", "z", [["a", ...between, "z"]]), limit);

  const ids = Array.from({ length: 11 }, (_, n) => String.fromCodePoint(0x4e00 + n).repeat(128));
  const nodes = [...ids.map((km, n) => [`n${n}`, km]), ["a", "a"], ["z", "z"]];
  const text = `[controller]
id = "c"
state_dir = "/x"
[ck]
ca = "ca"
cert = "cert"
key = "key"
${nodes.map(([name, km]) => `[node.${name}]\nkm = "${km}"`).join("\n")}
[pair.az]
between = ["a", "z"]
routes = [[${ids.map((_, n) => `"n${n}"`).join(", ")}]]
`;
  const error = t.throws(() => parseControllerConfig(text, "/etc/c.toml"));
  t.regex(
    error.message,
    /pair\.az\.routes: a route whose KM IDs have 4226 bytes: 4096 at the most/,
  );
});
