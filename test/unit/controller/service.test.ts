import test from "ava";
import { defaultRules } from "../../../src/controller/policy/network.ts";
import { ask, done, link, Rig, square, transit, why } from "./rig.ts";

test("a link that stands by is put into service when the first fails, both ends are told, and it steps back", (t) => {
  const links = [
    { a: "a", b: "b" },
    { a: "b", b: "d" },
    { a: "a", b: "d", standbyFor: ["a--b"] },
  ];
  const rig = new Rig({ links, pairs: [{ a: "a", b: "d" }] });
  const edges = links.map(({ a, b }) => [a, b] as const);
  rig.network(edges);
  t.like(rig.link("a--d"), { service: "standby", state: "bad", reason: "stands by" });
  t.deepEqual(rig.pair("a--d")?.route, ["a", "b", "d"]);
  rig.report("a", [link("b", { up: false })]);
  t.like(rig.link("a--d"), { service: "in_service", state: "good" });
  t.deepEqual(rig.pair("a--d")?.route, ["a", "d"]);
  t.deepEqual(
    rig.take().map(({ km, command }) => [km, command.type === "relayRequest" && command.extension]),
    [
      ["a", [{ service: "in_service" }]],
      ["d", [{ service: "in_service" }]],
    ],
  );
  rig.report("a", [link("b"), link("d")]);
  rig.report("b", [link("a"), link("d")]);
  rig.pass(defaultRules.settleMs + 500);
  t.is(rig.link("a--d")?.service, "standby");
});

test("a key manager that was away when a link was put into service hears of it, and one that forgot it too", (t) => {
  const rig = new Rig();
  rig.network([["a", "b"]]);
  const services = () =>
    rig.take().flatMap(({ km, command: { type, extension } }) => {
      return type === "relayRequest" ? [[km, ...(extension ?? [])]] : [];
    });
  rig.core.setService("a--b", "out_of_service", "alice");
  const out = [{ service: "out_of_service" }] as const;
  t.deepEqual(services(), [
    ["a", ...out],
    ["b", ...out],
  ]);
  rig.core.detached("a", "cut");
  rig.pass(15_000);
  rig.core.setService("a--b", "in_service", "alice");
  services();
  const isOut = [link("b", { service: "out_of_service" })];
  rig.attach("a", isOut);
  rig.report("b", [link("a")]);
  rig.pass(6_000);
  t.deepEqual(services(), [["a", { service: "in_service" }]]);
  // Once, until it had time to say that it is so.
  rig.pass(4_000);
  t.deepEqual(services(), []);
  rig.pass(8_000);
  t.deepEqual(services(), [["a", { service: "in_service" }]]);
  rig.report("a", [link("b")]);
  rig.pass(30_000);
  t.deepEqual(services(), []);
  // Of a link that was never ordered anything what its key managers say counts.
  const other = new Rig();
  other.network([["a", "b"]]);
  other.report("a", isOut);
  other.pass(30_000);
  t.deepEqual(other.take(), []);
});

test("what an operator takes out of service carries nothing, also after a restart", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.core.setService("a--b", "out_of_service", "alice");
  rig.core.setService("c", "out_of_service", "alice");
  t.is(why(rig.command("a", ask("a", "d"))), "no_route");
  t.throws(() => rig.core.setService("nothing", "standby", "alice"), { code: "config.value" });
  const nodes = ["a", "b", "c", "d"].map((km) => ({ km }));
  const links = square.map(([a, b]) => ({ a, b }));
  // Learnt links and nodes are not there yet when the next controller begins.
  for (const policy of [{ nodes, links }, {}]) {
    const next = new Rig(policy, rig.kept());
    next.network(square);
    t.like(next.link("a--b"), { service: "out_of_service" });
    t.is(why(next.command("a", ask("a", "d"))), "no_route");
    next.core.setService("c", "in_service", "bob");
    next.pass(defaultRules.settleMs + 500);
    next.network(square);
    next.pass(500);
    t.deepEqual(transit(next.command("a", ask("a", "d"), done())), ["c"]);
  }
});

for (const what of ["link", "node"] as const) {
  test(`a ${what} that an operator reserves is left by all but the classes that may use it`, (t) => {
    const rig = new Rig({
      classes: [{ name: "gov", reserved: true }],
      pairs: [
        { a: "a", b: "d" },
        { a: "a", b: "e", class: "gov", routes: [["a", "b", "e"]] },
      ],
      rules: { routes: 1 },
    });
    rig.network([...square, ["b", "e"]]);
    const serve = (km: string, service: "reserved" | "in_service") =>
      rig.core.setService(what === "link" ? `a--${km}` : km, service, "alice");
    const wayOf = (peer: string) => transit(rig.command("a", ask("a", peer), done()));
    for (const [reserved, free] of ["bc", "cb"]) {
      serve(reserved as string, "reserved");
      t.deepEqual(rig.pair("a--d")?.route, ["a", free, "d"]);
      t.deepEqual(wayOf("d"), [free]);
      t.deepEqual(wayOf("e"), ["b"]);
      serve(reserved as string, "in_service");
    }
    serve("b", "reserved");
    serve("c", "reserved");
    t.is(why(rig.command("a", ask("a", "d"))), "no_route");
    t.deepEqual(wayOf("e"), ["b"]);
    serve("c", "in_service");
    t.deepEqual(wayOf("d"), ["c"]);
  });
}

test("a link of which nothing was ordered is as its key managers say: they keep what another controller ordered", (t) => {
  const rig = new Rig({ links: square.map(([a, b]) => ({ a, b })), pairs: [{ a: "a", b: "d" }] });
  rig.network(square);
  const way = rig.pair("a--d")?.route?.[1] as string;
  const other = way === "b" ? "c" : "b";
  const told = (service: "standby" | "reserved") => rig.report("a", [link(way, { service })]);
  told("standby");
  const reason = "stands by at a key manager";
  t.like(rig.link(`a--${way}`), { service: "standby", state: "bad", reason });
  t.deepEqual(rig.pair("a--d")?.route, ["a", other, "d"]);
  const before = rig.told.length;
  rig.pass(1_000);
  t.is(rig.told.length, before, "and stays so");
  told("reserved");
  rig.pass(defaultRules.settleMs + 500);
  told("reserved");
  rig.pass(500);
  t.like(rig.link(`a--${way}`), { service: "reserved", state: "good" });
  t.deepEqual(rig.pair("a--d")?.route, ["a", other, "d"]);
  rig.report("a", [link(other, { up: false })]);
  t.is(why(rig.command("a", ask("a", "d"))), "no_route");
  rig.take();
  // An order counts more, and they hear of it.
  rig.core.setService(`a--${way}`, "in_service", "alice");
  t.is(rig.link(`a--${way}`)?.service, "in_service");
  t.deepEqual(
    rig
      .take()
      .flatMap(({ km, command }) => [km, ...(command.extension ?? [])])
      .slice(0, 2),
    ["a", { service: "in_service" }],
  );
  t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), [way]);
});

test("what was ordered of a node or link that is gone can be ordered otherwise, also after a restart", (t) => {
  const first = new Rig();
  first.network([["a", "b"]]);
  first.core.setService("a--b", "out_of_service", "alice");
  first.core.setService("b", "reserved", "alice");
  const rig = new Rig({}, first.kept());
  t.deepEqual(rig.core.status().nodes, []);
  rig.core.setService("a--b", "in_service", "alice");
  rig.core.setService("b", "in_service", "alice");
  t.throws(() => rig.core.setService("a--c", "in_service", "alice"), { code: "config.value" });
  rig.network([["a", "b"]]);
  t.is(rig.link("a--b")?.service, "in_service");
  t.deepEqual(
    rig.core.status().nodes.map(({ service }) => service),
    ["in_service", "in_service"],
  );
});

test("what was ordered of a learnt key manager and its links goes with it when it is taken back", (t) => {
  const rig = new Rig({ links: [{ a: "a", b: "c" }] });
  rig.network([
    ["a", "b"],
    ["a", "c"],
  ]);
  for (const one of ["b", "a--b", "a--c"]) rig.core.setService(one, "out_of_service", "alice");
  rig.core.detached("b", "cut");
  rig.core.revoke("km", "b", "alice");
  rig.attach("a", [link("c")]);
  t.deepEqual(
    rig.core.status().nodes.map(({ km }) => km),
    ["a", "c"],
  );
  t.deepEqual([...(rig.saved.get("service") ?? new Map()).keys()], ["a--c"]);
  rig.core.register("km", "b", "alice");
  rig.network([["a", "b"]]);
  t.is(rig.link("a--b")?.service, "in_service");
});

test("what was ordered of a key manager that is gone, and of its links, goes when it is taken back", (t) => {
  const first = new Rig();
  first.network([
    ["a", "b"],
    ["b", "c"],
  ]);
  for (const one of ["b", "a--b", "b--c", "a"])
    first.core.setService(one, "out_of_service", "alice");
  // Its node and its links are not there any more.
  const rig = new Rig({}, first.kept());
  rig.core.revoke("km", "b", "alice");
  rig.core.register("km", "b", "alice");
  rig.network([
    ["a", "b"],
    ["b", "c"],
  ]);
  t.deepEqual(
    rig.core.status().nodes.map(({ km, service }) => `${km} ${service}`),
    ["a out_of_service", "b in_service", "c in_service"],
  );
  t.is(rig.link("a--b")?.service, "in_service");
  t.is(rig.link("b--c")?.service, "in_service");
});
