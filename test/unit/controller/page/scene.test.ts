import test from "ava";
import {
  fitsLink,
  fitsNode,
  worst,
} from "../../../../src/controller/page/browser-controller/filter.js";
import { placed } from "../../../../src/controller/page/browser-controller/labels.js";
import { sceneOf } from "../../../../src/controller/page/browser-controller/scene.js";
import { snapshot } from "../../../../src/controller/page/snapshot.ts";
import { largeNetwork, rerouted } from "../../../rig/controller-network.ts";
import { at } from "../../../rig/controller-parts.ts";

const now = Date.parse(at(3_600));
const all = { search: "", severity: "", site: "" };
const none = { used: [], others: [] };

test("a closed site is one symbol with the worst of it; its links to another are one line", (t) => {
  const state = snapshot(largeNetwork(), now);
  const closed = sceneOf(state, new Map(), () => true, all, none);
  t.is(closed.symbols.length, 20);
  t.deepEqual(closed.sites, []);
  const site = closed.symbols.find(({ id }) => id === "Town 9");
  t.like(site, { kind: "site", attached: 4, severity: "major" });
  const siteOf = new Map(state.nodes.map(({ km, site: name }) => [km, name]));
  const across = state.links.filter(({ a, b }) => siteOf.get(a) !== siteOf.get(b));
  t.is(closed.edges.flatMap(({ links }) => links).length, across.length);
  const open = sceneOf(state, new Map(), (name) => name !== "Town 9", all, none);
  t.is(open.symbols.length, 24);
  t.is(open.sites.length, 1);
});

test("a route is on the links that it passes, in either direction", (t) => {
  const state = snapshot(rerouted(), now);
  const routes = { used: ["km-carol", "km-bob", "km-alice"], others: [["km-alice", "km-carol"]] };
  const { edges } = sceneOf(state, new Map(), () => false, all, routes);
  t.deepEqual(Object.fromEntries(edges.map(({ links, route }) => [links[0]?.link, route])), {
    "km-alice--km-bob": "used",
    "km-bob--km-carol": "used",
    "km-alice--km-carol": "other",
  });
});

test("what is looked for is found by name, alarm, severity and site", (t) => {
  const { nodes, links } = snapshot(rerouted(), now);
  const known = new Map(nodes.map((node) => [node.km, node]));
  const found = (filter: Partial<typeof all>) => {
    const wanted = { ...all, ...filter };
    return [
      nodes.filter((node) => fitsNode(node, wanted)).length,
      links.filter((link) => fitsLink(link, wanted, known)).length,
    ];
  };
  t.deepEqual(found({}), [3, 3]);
  t.deepEqual(found({ search: "alice" }), [1, 2]);
  t.deepEqual(found({ search: "qber_high" }), [0, 1]);
  t.deepEqual(found({ severity: "alarm" }), [0, 1]);
  t.deepEqual(found({ severity: "critical" }), [0, 1]);
  t.deepEqual(found({ site: "Delft" }), [1, 2]);
  t.is(worst([{ severity: "minor" }, { severity: "major" }]), "major");
  t.is(worst([]), "");
});

test("no name is written over another, and none out of the frame", (t) => {
  const wanted = Array.from({ length: 60 }, (_, i) => {
    return {
      key: `n${i}`,
      x: 20 + (i % 10) * 24,
      y: 20 + Math.floor(i / 10) * 30,
      r: 6,
      width: 50,
      height: 14,
      always: i === 7,
    };
  });
  const frame = { width: 300, height: 220 };
  const { places } = placed(wanted, [], frame);
  t.true(places.has("n7") && places.size < 60);
  const boxes = [...places].filter(([key]) => key !== "n7").map(([, { x, y }]) => ({ x, y }));
  for (const [i, a] of boxes.entries()) {
    t.true(a.x >= 25 && a.x <= 275 && a.y >= 7 && a.y <= 213);
    for (const b of boxes.slice(i + 1))
      t.true(Math.abs(a.x - b.x) >= 50 || Math.abs(a.y - b.y) >= 14);
  }
});
