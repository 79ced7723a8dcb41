import test from "ava";
import { defaultRules } from "../../../src/controller/policy/network.ts";
import type { CkMessage } from "../../../src/wire/ck/messages.ts";
import { pairExtension } from "../../../src/wire/ck/state.ts";
import { ask, done, link, Rig, square, transit, why } from "./rig.ts";

test("a KM that asks is given the whole route, and another one when its relay failed", (t) => {
  const rig = new Rig();
  rig.network(square);
  const first = transit(rig.command("a", ask("a", "d"), done("no_keys_available")));
  t.is(first?.length, 1);
  const second = transit(rig.command("a", ask("a", "d"), done()));
  t.is(second?.length, 1);
  t.notDeepEqual(second, first);
  t.like(rig.pair("a--d"), { relays: 2, failed: 1 });
});

test("a QBER alarm over Ck or MQTT changes routes at once, and the KM that asked is told of it", (t) => {
  const links = square.map(([a, b]) => ({ a, b, modules: [`${a}${b}-1`] }));
  for (const by of ["ck", "mqtt"] as const) {
    const rig = new Rig({ links });
    rig.network(square);
    const [hop = ""] = transit(rig.command("a", ask("a", "d"), done())) ?? [];
    rig.take();
    const alarms = [{ name: "qber_high", severity: "warning" as const }];
    if (by === "ck") rig.report("a", [link(hop, { alarms })]);
    else {
      const alarm = { ...alarms[0], since: rig.wall, module: `a${hop}-1` };
      rig.core.heardNode({
        node: "n1",
        online: true,
        at: rig.wall,
        heardAt: rig.now,
        alarms: [alarm as never],
      });
    }
    const other = hop === "b" ? "c" : "b";
    t.like(rig.link(`a--${hop}`), { state: "bad", reason: "alarm qber_high" });
    t.like(rig.take()[0], {
      km: "a",
      command: { type: "relayRequest", transitKmas: [other], extension: [{ bits: 0 }] },
    });
    t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), [other]);
    t.truthy(rig.told.find(({ kind }) => kind === "reroute"));
  }
});

test("modules of two nodes may have one name: an alarm is of the link at the node that tells it", (t) => {
  const nodes = ["a", "b", "c", "d"].map((km) => ({ km, controllers: [`node-${km}`] }));
  const links = square.map(([a, b]) => ({ a, b, modules: [a === "a" ? `to-${b}` : "to-d"] }));
  const rig = new Rig({ nodes, links });
  rig.network(square);
  const hear = (node: string, module: string) => {
    const alarm = { name: "qber_high", severity: "critical" as const, since: rig.wall, module };
    rig.core.heardNode({ node, online: true, at: rig.wall, heardAt: rig.now, alarms: [alarm] });
  };
  const bad = () =>
    square.map(([a, b]) => `${a}--${b}`).filter((one) => rig.link(one)?.state === "bad");
  hear("node-b", "to-d");
  t.deepEqual(bad(), ["b--d"]);
  hear("node-c", "to-d");
  t.deepEqual(bad(), ["b--d", "c--d"]);
  // At none of these ends, or at one that the configuration does not name and of two links.
  hear("node-d", "to-b");
  hear("stranger", "to-d");
  t.deepEqual(bad(), ["b--d", "c--d"]);
});

test("a link that comes back is used when it was good for a while, and routes go back after the hold-down", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.command("a", ask("a", "d"), done());
  const far = [
    ["a", "b"],
    ["b", "d"],
  ] as const;
  for (const [a, b] of far) rig.report(a, [link(b, { up: false })]);
  t.deepEqual(rig.pair("a--d")?.route, ["a", "c", "d"]);
  for (const [a, b] of far) rig.report(a, [link(b)]);
  t.is(rig.link("a--b")?.state, "bad");
  t.is(rig.link("a--b")?.reason, "good for less than 10 s");
  rig.pass(defaultRules.settleMs + 500);
  t.is(rig.link("a--b")?.state, "good");
});

test("links that nothing is heard of are not known, and say for how long", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.pass(defaultRules.silentMs + 250);
  t.like(rig.link("a--b"), { state: "unknown", reason: "no report for 15 s" });
  t.is(why(rig.command("a", ask("a", "d"))), "no_route");
  rig.report("b", [link("a"), link("d")]);
  rig.pass(defaultRules.settleMs);
  rig.report("b", [link("a"), link("d")]);
  rig.pass(500);
  t.is(rig.link("a--b")?.state, "good");
});

test("an alarm of a link ends with its silent end if the other says that all is well; a critical one does not", (t) => {
  for (const severity of ["warning", "critical"] as const) {
    const rig = new Rig();
    rig.network(square);
    rig.report("a", [link("b", { alarms: [{ name: "qber_high", severity }] })]);
    rig.core.detached("a", "cut");
    for (let s = 0; s < 30; s += 5) {
      t.is(rig.link("a--b")?.state, s < 25 ? "bad" : severity === "critical" ? "bad" : "good");
      rig.pass(5_000);
      rig.report("b", [link("a"), link("d")]);
    }
  }
});

test("a controller that stands by hears reports, and answers all else that it is busy", (t) => {
  const rig = new Rig({ nodes: [{ km: "a" }] }, undefined, "standby");
  const report = rig.report("a", [link("b")]);
  t.like(report, { response: "success", extension: [{ standby: true }] });
  const answer = rig.command("a", ask("a", "b"));
  t.is(why(answer), "busy");
  t.deepEqual(answer?.extension?.at(-1), { standby: true });
  t.is(rig.core.status().verdict.code, "standby");
});

test("a report that is not as the profile says is refused, and nothing of it is taken", (t) => {
  const rig = new Rig();
  rig.core.attached("a");
  const extension = [
    { link: { peer_kma_id: "b", up: true, stock_bits: 1, alarms: [] } },
    { link: 1 },
  ];
  const answer = rig.command("a", { type: "report", sourceKm: "a", at: rig.wall, extension });
  t.is(why(answer), "invalid_message");
  t.is(rig.core.status().links.length, 0);
});

test("who is taken back is refused, also on a connection that is open; who is not registered may not come", (t) => {
  const access = { openToKms: false, openToApplications: false, applications: [] };
  const rig = new Rig({ nodes: [{ km: "a" }], access });
  t.is(rig.core.mayAttach("x"), "unauthorized");
  rig.core.register("km", "x", "alice");
  t.is(rig.core.mayAttach("x"), undefined);
  rig.attach("a", [link("x")]);
  rig.core.revoke("km", "a", "alice");
  t.is(why(rig.report("a", [])), "unauthorized");
  t.is(new Rig({ access }, rig.kept()).core.mayAttach("a"), "unauthorized");
});

test("routes that are set by hand are used alone, while one of them can be", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.core.setRoutes("d", "a", [["d", "b", "a"]], "alice");
  t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), ["b"]);
  rig.report("a", [link("b", { up: false })]);
  t.is(why(rig.command("a", ask("a", "d"))), "no_route");
  rig.core.setRoutes("a", "d", undefined, "alice");
  t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), ["c"]);
  t.throws(() => rig.core.setRoutes("a", "d", [["a", "b"]], "alice"), { code: "config.value" });
});

test("a pool is filled at a fixed rate, by the next route when one fails, and not over its limit", (t) => {
  const pairs = [
    {
      a: "a",
      b: "d",
      fill: { kind: "fixed_rate" as const, rate: 10_000 },
      batch: 10_000,
      high: 1_000_000,
    },
  ];
  const rig = new Rig({ pairs });
  rig.network(square);
  rig.pass(3_000);
  const [first, ...others] = rig.take();
  t.true(others.length <= 3);
  t.like(first, {
    km: "a",
    command: { type: "relayRequest", sourceKma: "a", destinationKma: "d" },
  });
  first?.done(done("no_keys_available"));
  const [again] = rig.take();
  t.like(again, { km: "a" });
  t.notDeepEqual(transitOf(again?.command), transitOf(first?.command));
  again?.done(done());
  for (const { done: end } of others) end(done());
  const full = {
    peer: "d",
    up: true,
    stock: 1_000_000,
    scheme: "case-2",
    routing: "controller" as const,
    relayed: 0,
    pads: 0,
    relays: 0,
    failed: 0,
    consumption: 0,
  };
  rig.report("a", [], [pairExtension(full)]);
  rig.take();
  rig.pass(10_000);
  t.deepEqual(
    rig.take().filter(({ command }) => bitsOf(command) !== 0),
    [],
  );
});

test("case 1: keys are reserved, relayed on from the next KM, and allocated if all of them arrived", (t) => {
  const pairs = [{ a: "a", b: "d", routes: [["a", "b", "d"]], scheme: "case-1" as const }];
  const rig = new Rig({ pairs });
  rig.network(square);
  const keyIds = ["k1", "k2"];
  const relayOf = (key: string) => {
    const [relay] = rig.take();
    t.like(relay, { km: "b", command: { type: "relayRequest", transitKmas: ["b"] } });
    t.true(relay?.command.extension?.some((one) => one.reserved_key_id === key));
    return relay;
  };
  const begin = () => {
    rig.core.orderRelay("a", "d", 1_000, "alice");
    rig.pass(250);
    const [reservation] = rig.take();
    t.like(reservation, {
      km: "a",
      command: {
        type: "reservationRequest",
        sourceKma: "a",
        destinationKma: "d",
        extension: [{ bits: 1_000 }, { next_kma_id: "b" }],
      },
    });
    reservation?.done({ type: "reservationResponse", response: "success", keyIds });
    return relayOf("k1");
  };
  begin()?.done(done());
  relayOf("k2")?.done(done());
  const [allocation] = rig.take();
  t.like(allocation, { km: "a", command: { type: "allocationRequest", keyIds } });
  allocation?.done({ type: "allocationResponse", response: "success" });
  t.like(rig.pair("a--d"), { relays: 1, failed: 0 });
  t.is(rig.core.accounts().find(({ kind }) => kind === "pair")?.relayed, 1_000);
  // A reserved key that is not allocated is void by itself.
  begin()?.done(done());
  relayOf("k2")?.done(done("relay_failed"));
  t.deepEqual(rig.take(), []);
  t.like(rig.pair("a--d"), { relays: 2, failed: 1 });
});

test("classes: outside of its hours a pair is not served, reserved links are for those that may", (t) => {
  const classes = [
    { name: "day", hours: [{ from: 540, until: 1_260 }], onlyInHours: true },
    { name: "gold", reserved: true },
  ];
  const links = [
    { a: "a", b: "b" },
    { a: "b", b: "d" },
    { a: "a", b: "c", service: "reserved" as const },
    { a: "c", b: "d" },
  ];
  const rig = new Rig({
    classes,
    links,
    pairs: [
      { a: "a", b: "d", class: "day" },
      { a: "b", b: "c", class: "gold" },
    ],
  });
  rig.network(square);
  t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), ["b"]);
  rig.report("a", [link("b", { up: false })]);
  t.is(why(rig.command("a", ask("a", "d"))), "no_route");
  t.deepEqual(rig.pair("b--c")?.route, ["b", "d", "c"]);
  rig.report("b", [link("d", { up: false })]);
  rig.report("a", [link("b")]);
  rig.pass(defaultRules.settleMs + 500);
  t.deepEqual(rig.pair("b--c")?.route, ["b", "a", "c"]);
  rig.wall += 10 * 3_600_000;
  t.is(why(rig.command("a", ask("a", "d"))), "unauthorized");
});

function bitsOf(command: CkMessage): unknown {
  return command.extension?.find((one) => one.bits !== undefined)?.bits;
}

function transitOf(command: CkMessage | undefined): unknown {
  return command?.type === "relayRequest" ? command.transitKmas : undefined;
}

test("a link that begins with nothing in stock is not scarce for a minute; stock that drops later is averaged", (t) => {
  const rig = new Rig({ rules: { settleMs: 0 } });
  rig.network([["a", "b"]], { stock: 0 });
  const tell = (stock: number) => {
    rig.pass(5_000);
    rig.report("a", [link("b", { stock })]);
    rig.report("b", [link("a", { stock })]);
    rig.pass(250);
  };
  for (const stock of [200_000, 400_000, 600_000]) tell(stock);
  t.is(rig.link("a--b")?.state, "good");
  for (let i = 0; i < 24; i++) tell(600_000);
  const before = rig.link("a--b")?.average_stock_bits ?? 0;
  tell(0);
  t.true((rig.link("a--b")?.average_stock_bits ?? 0) > before * 0.9);
});

test("relays of a pair are those of its key managers, and those that were ordered are told apart", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.report(
    "a",
    [],
    [
      pairExtension({
        ...{ peer: "d", up: true, stock: 0, scheme: "case-2", routing: "controller" },
        ...{ relayed: 10, pads: 20, relays: 7, failed: 2, consumption: 0 },
      }),
    ],
  );
  t.like(rig.pair("a--d"), { relays: 7, failed: 2, ordered: 0 });
});

test("a node that was learnt from topics is forgotten when it was offline for a day, or is taken away", (t) => {
  const rig = new Rig();
  const heard = (node: string, online: boolean, more = {}) =>
    rig.core.heardNode({ node, online, at: rig.wall, heardAt: rig.now, alarms: [], ...more });
  const known = () => rig.core.status().nodes.map(({ km }) => km);
  rig.network([["a", "b"]]);
  for (const node of ["a", "x", "y", "z"]) heard(node, node !== "x");
  heard("z", false, { isGone: true });
  t.deepEqual(known(), ["a", "b", "x", "y"]);
  rig.wall += 86_400_000;
  rig.pass(60_250);
  t.deepEqual(known(), ["a", "b", "x", "y"], "a clock that jumps makes no day");
  const heardOf = (node: string) => rig.core.status().nodes.find(({ km }) => km === node);
  t.is(heardOf("x")?.controllers[0]?.age_s, 60);
  rig.now += 86_400_000;
  rig.pass(60_250);
  t.deepEqual(known(), ["a", "b", "y"], "one that is online stays");
  heard("a", false, { isGone: true });
  t.deepEqual(known(), ["a", "b", "y"], "the end of a link stays");
});

test("a KM whose only way is good again is told of it, though it is the one of before", (t) => {
  const rig = new Rig();
  rig.network([
    ["a", "b"],
    ["b", "d"],
  ]);
  t.deepEqual(transit(rig.command("a", ask("a", "d"), done())), ["b"]);
  const told = () =>
    rig.take().flatMap(({ km, command }) => {
      return command.type === "relayRequest" ? [[km, ...(command.transitKmas ?? [])]] : [];
    });
  for (const [up, expected] of [
    [false, []],
    [true, [["a", "b"]]],
  ] as const) {
    rig.report("b", [link("d", { up })]);
    rig.report("d", [link("b", { up })]);
    rig.pass(defaultRules.settleMs + 500);
    t.deepEqual(rig.pair("a--d")?.route, up ? ["a", "b", "d"] : []);
    t.deepEqual(told(), expected);
  }
});
