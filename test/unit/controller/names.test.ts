/** Links and pairs of key managers whose IDs look like parts of their names. */
import test from "ava";
import { commands } from "../../../src/controller/commands/table.ts";
import { nameOf } from "../../../src/controller/topology/names.ts";
import { orderIn } from "../../../src/ops/commands/table.ts";
import { pairExtension } from "../../../src/wire/ck/state.ts";
import { link, Rig } from "./rig.ts";

test("no two links or pairs have one name", (t) => {
  const parts = ["a", "-", "--", '"', '"a"', "a-", "-a", "a--a", '"a--a"', '-"a', '"-'];
  const names = new Map<string, string>();
  for (const one of parts) {
    for (const other of parts) {
      const name = nameOf(one, other);
      const ends = JSON.stringify([one, other].sort());
      t.is(names.get(name) ?? ends, ends, name);
      names.set(name, ends);
    }
  }
  t.is(nameOf("km-b", "km-a"), "km-a--km-b");
  t.is(nameOf("c", "a--b"), '"a--b"--c');
});

test("pairs whose names would be alike have their own routes, demand and orders", (t) => {
  const rig = new Rig();
  const ends = [
    ["a--b", "c"],
    ["a", "b--c"],
  ] as const;
  rig.network(ends.flatMap(([one, other]) => [[one, "m"] as const, ["m", other] as const]));
  const counted = { stock: 0, relayed: 0, pads: 0, relays: 0, failed: 0 };
  for (const [i, [km, peer]] of ends.entries()) {
    const consumption = 1_000 * (i + 1);
    const pair = { peer, consumption, ...counted, up: true, scheme: "case-2" };
    rig.report(km, [], [pairExtension({ ...pair, routing: "controller" })]);
  }
  rig.pass(1_000);
  t.like(rig.pair('"a--b"--c'), { demand: 1_000, route: ["a--b", "m", "c"] });
  t.like(rig.pair('a--"b--c"'), { demand: 2_000, route: ["a", "m", "b--c"] });
  for (const [km, peer] of ends) rig.report(km, [link(peer)]);
  rig.core.setService('"a--b"--c', "out_of_service", "x");
  t.is(rig.link('a--"b--c"')?.service, "in_service");
  t.is(rig.link('"a--b"--c')?.service, "out_of_service");
});

test("no node has the name of a link: an order of one is none of the other, also after a restart", (t) => {
  const rig = new Rig();
  rig.network([["a", "b"]]);
  // Whoever may report can name a peer as a link is called.
  rig.report("a", [link("b"), link("a--b")]);
  rig.core.setService("a--b", "out_of_service", "x");
  const told = rig.take().map(({ km }) => km);
  t.deepEqual(told, ["a", "b"]);
  const services = (one: Rig) => [
    one.link("a--b")?.service,
    one.core.status().nodes.find(({ km }) => km === "a--b")?.service,
  ];
  t.deepEqual(services(rig), ["out_of_service", "in_service"]);
  rig.core.setService("a--b", "in_service", "x");
  rig.core.setService('"a--b"', "out_of_service", "x");
  t.deepEqual(services(rig), ["in_service", "out_of_service"]);
  const next = new Rig({}, rig.kept());
  next.network([
    ["a", "b"],
    ["a", "a--b"],
  ]);
  t.deepEqual(services(next), ["in_service", "out_of_service"]);
  next.core.revoke("km", "a--b", "x");
  t.deepEqual([...(next.saved.get("service")?.keys() ?? [])], []);
  const alone = new Rig();
  alone.network([["a", "c--d"]]);
  t.throws(() => alone.core.setService("c--d", "out_of_service", "x"), { code: "config.value" });
});

test("the longest names can be ordered of, and their alarms acknowledged", (t) => {
  const name = nameOf("\u{1F511}".repeat(128), `--${'"'.repeat(126)}`);
  t.truthy(orderIn(commands, "acknowledge_alarm", { alarm: `link_bad.${name}` }));
  t.truthy(orderIn(commands, "set_service", { component: name, service: "reserved" }));
});
