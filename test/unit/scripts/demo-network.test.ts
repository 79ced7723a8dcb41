/** Networks that `npm start -- --network` shows: ours are whole, and what is wrong with a file is named. */
import test from "ava";
import { secretKeyRate } from "../../../scripts/demo/network/feeder.ts";
import { parseShape, readShape } from "../../../scripts/demo/network/shape.ts";
import { ConfigError } from "../../../src/host/config/problems.ts";

const triangle = `[node.a]
[node.b]
[node.c]
[link.ab]
between = ["a", "b"]
length_km = 10
[link.bc]
between = ["b", "c"]
length_km = 20
`;

test("ours have the nodes and links of their models, and a way for each pair", (t) => {
  const sizes = { secoqc: [6, 8], tokyo: [6, 6], nsfnet: [14, 21] } as const;
  for (const [name, [nodes, links]] of Object.entries(sizes)) {
    const shape = readShape(name);
    t.is(shape.nodes.length, nodes);
    t.is(shape.links.length, links);
    t.true(shape.pairs.length > 0);
    const reached = new Set([shape.nodes[0]]);
    for (let i = 0; i < nodes; i++) {
      for (const { ends } of shape.links) {
        if (ends.some((end) => reached.has(end))) for (const end of ends) reached.add(end);
      }
    }
    t.is(reached.size, nodes, name);
  }
});

test("nodes without a place stand on a circle", (t) => {
  const { map, pairs, links } = parseShape(triangle, "x.toml");
  t.deepEqual(map.a, { x: 0.1, y: 0.5 });
  t.is(new Set(Object.values(map).map(({ x, y }) => `${x} ${y}`)).size, 3);
  t.deepEqual(pairs, []);
  t.deepEqual(links[1], { ends: ["b", "c"], lengthKm: 20 });
});

const wrong: readonly (readonly [text: string, problem: RegExp])[] = [
  [`${triangle}colour = 1\n`, /x\.toml:10: link\.bc\.colour: unknown key/],
  [triangle.replace("20", "301"), /x\.toml:9: link\.bc\.length_km: expected .* at most 300/],
  [triangle.replace(`"b", "c"`, `"b", "d"`), /x\.toml:8: link\.bc\.between: .*\[node\.d\]/],
  [triangle.replace(`"b", "c"`, `"b", "b"`), /link\.bc\.between: expected two different nodes/],
  [triangle.replace(`"b", "c"`, `"b", "a"`), /link\.bc\.between: a and b are of link\.ab already/],
  [`${triangle}[pair.p]\nbetween = ["b", "a"]\n`, /pair\.p\.between: a and b are of link\.ab/],
  [triangle.replace("[node.a]", "[node.A-1]"), /node\.A-1: expected a name/],
  ["[node.a]\n[link]\n", /node: expected 2 to 32 nodes, got 1/],
  ["[node.a]\n[node.b]\n", /link: missing/],
  ["[node", /x\.toml:1:\d+: not TOML/],
];

for (const [i, [text, problem]] of wrong.entries()) {
  test(`a file that cannot be: ${i} ${problem.source}`, (t) => {
    const error = t.throws(() => parseShape(text, "x.toml"), { instanceOf: ConfigError });
    t.regex(error?.located.join("\n") ?? "", problem);
  });
}

test("a name that is neither ours nor a file is told", (t) => {
  t.throws(() => readShape("nowhere"), { message: /nowhere is no file, nor one of/ });
});

test("a link of installed fibre yields what was measured at 85 km", (t) => {
  t.true(Math.abs(secretKeyRate(85) - 150_797) < 200);
});
