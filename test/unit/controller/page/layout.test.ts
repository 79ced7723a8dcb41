import test from "ava";
import type { ControllerStatus } from "../../../../src/controller/model/status.ts";
import { layOut } from "../../../../src/controller/page/browser-controller/layout.js";
import { largeNetwork, nsfnet } from "../../../rig/controller-network.ts";

const given = ({ nodes }: ControllerStatus) =>
  nodes.map(({ km, site, place }) => ({ id: km, site, place }));

function nearest(places: ReadonlyMap<string, { x: number; y: number }>): number {
  const list = [...places.values()];
  return Math.min(
    ...list.flatMap((a, i) => list.slice(i + 1).map((b) => Math.hypot(a.x - b.x, a.y - b.y))),
  );
}

test("the same network is laid out the same, in whatever order it is told", (t) => {
  const network = nsfnet(false);
  const one = layOut(given(network), network.links);
  const other = layOut(given(network).reverse(), network.links.toReversed());
  t.deepEqual([...one].sort(), [...other].sort());
  for (const { x, y } of one.values()) t.true(x >= 0 && x <= 1 && y >= 0 && y <= 1);
  t.true(nearest(one) > 0.06, String(nearest(one)));
});

test("linked nodes are nearer than others, and those of a site nearer still", (t) => {
  const network = largeNetwork();
  const places = layOut(given(network), network.links);
  const site = new Map(network.nodes.map(({ km, site: name }) => [km, name]));
  const apart = (a: string, b: string) => {
    const [p, q] = [places.get(a), places.get(b)];
    return p === undefined || q === undefined ? Number.NaN : Math.hypot(p.x - q.x, p.y - q.y);
  };
  const mean = (list: number[]) => list.reduce((sum, d) => sum + d, 0) / list.length;
  const names = network.nodes.map(({ km }) => km);
  const within = names.flatMap((a) =>
    names.filter((b) => a < b && site.get(a) === site.get(b)).map((b) => apart(a, b)),
  );
  const linked = network.links
    .filter(({ a, b }) => site.get(a) !== site.get(b))
    .map(({ a, b }) => apart(a, b));
  const all = names.flatMap((a) => names.filter((b) => a < b).map((b) => apart(a, b)));
  t.true(
    mean(within) < 0.6 * mean(linked) && mean(linked) < 0.6 * mean(all),
    `${mean(within)} ${mean(linked)} ${mean(all)}`,
  );
  t.true(nearest(places) > 0.02, String(nearest(places)));
});

test("who has a place keeps it: given, or from before; a new node comes beside its neighbours", (t) => {
  const network = nsfnet(false);
  const before = layOut(given(network), network.links);
  const fresh = { id: "km-new", site: "" };
  const links = [...network.links, { a: "km-ny", b: "km-new" }, { a: "km-nj", b: "km-new" }];
  const after = layOut([...given(network), fresh], links, before);
  for (const [id, place] of before) t.deepEqual(after.get(id), place);
  const [at, near, far] = ["km-new", "km-ny", "km-ca2"].map((id) => after.get(id));
  if (at === undefined || near === undefined || far === undefined) return t.fail();
  t.true(Math.hypot(at.x - near.x, at.y - near.y) < Math.hypot(at.x - far.x, at.y - far.y));
  const placed = layOut(
    [
      { id: "a", site: "", place: { x: 0.25, y: 0.75 } },
      { id: "b", site: "" },
    ],
    [{ a: "a", b: "b" }],
  );
  t.deepEqual(placed.get("a"), { x: 0.25, y: 0.75 });
});

test("networks that are hardly one have places as well", (t) => {
  t.is(layOut([], []).size, 0);
  const alone = layOut(
    [{ id: "a", site: "" }],
    [
      { a: "a", b: "gone" },
      { a: "a", b: "a" },
    ],
  );
  for (const { x, y } of alone.values()) t.true(Number.isFinite(x) && Number.isFinite(y));
  const many = Array.from({ length: 9 }, (_, i) => ({ id: `n${i}`, site: "" }));
  const scattered = layOut(many, []);
  t.true(nearest(scattered) > 0.05, "none lies on another");
  const same = many.map((one) => ({ ...one, place: { x: 0.5, y: 0.5 } }));
  t.is(layOut(same, []).size, 9);
});
