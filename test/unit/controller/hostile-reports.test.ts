/** What a key manager that lies, a broker's client that makes things up, and a clock that jumps can't do to a controller. */
import test from "ava";
import type { CkCommand } from "../../../src/wire/ck/messages.ts";
import { linkExtension } from "../../../src/wire/ck/report.ts";
import {
  applicationExtensions,
  pairExtension,
  type SessionReport,
  sessionExtension,
  usageExtension,
} from "../../../src/wire/ck/state.ts";
import { link, Rig } from "./rig.ts";

test("no report takes the place of a link of others, whatever its ends are called", (t) => {
  const rig = new Rig({ links: [{ a: "a--b", b: "c" }] });
  rig.network([["a--b", "c"]]);
  rig.pass(1_000);
  const name = '"a--b"--c';
  t.like(rig.link(name), { state: "good" });
  rig.attach("a", [link("b--c", { up: false })]);
  rig.pass(1_000);
  t.deepEqual(
    rig.core.status().links.map(({ link: of, state }) => [of, state]),
    [
      [name, "good"],
      ['a--"b--c"', "bad"],
    ],
  );
});

test("names that the broker's clients make up take no key manager's place", (t) => {
  const rig = new Rig({ rules: { nodes: 20 } });
  for (let i = 0; i < 100; i++) {
    rig.core.heardNode({
      node: `made-up-${i}`,
      online: true,
      at: rig.wall,
      heardAt: rig.now,
      alarms: [],
    });
  }
  rig.network([["a", "b"]]);
  t.truthy(rig.link("a--b"));
});

test("peers that a key manager makes up take no other key manager's place", (t) => {
  const rig = new Rig({ links: [{ a: "x", b: "y" }], rules: { nodes: 20 } });
  const made = Array.from({ length: 100 }, (_, i) => link(`made-up-${i}`));
  rig.attach("liar", made);
  for (const km of ["a", "b", "c"]) {
    rig.attach(km, [link(km === "c" ? "b" : "c")]);
    rig.report("liar", made);
  }
  const names = rig.core.status().nodes.map(({ km }) => km);
  for (const km of ["a", "b", "c", "liar", "x", "y"]) t.true(names.includes(km), km);
  t.is(names.length, 20);
  t.truthy(rig.link("b--c"));
  rig.pass(10_000);
});

test("a clock that was years ahead for a moment forgets no account", (t) => {
  const rig = new Rig({ rules: { accountMs: 3_600_000, accountPeriods: 3 } });
  rig.attach("a", [link("b", { matched: 0 })]);
  const made = (matched: number) => {
    rig.report("a", [link("b", { matched })]);
    rig.pass(61_000);
  };
  made(1_000);
  t.is(rig.core.accounts().length, 1);
  rig.wall += 30 * 365 * 86_400_000;
  made(2_000);
  rig.wall -= 30 * 365 * 86_400_000;
  made(3_000);
  t.true((rig.core.accounts()[0]?.made ?? 0) >= 2_000);
  // What is over the limit goes, the oldest first.
  for (let i = 0; i < 5; i++) {
    rig.wall += 3_600_000;
    made(4_000 + i * 1_000);
  }
  t.is(new Set(rig.core.accounts().map(({ from }) => from)).size, 3);
});

test("a link that one end makes up, and the other does not know, carries nothing", (t) => {
  const rig = new Rig();
  rig.attach("a", [link("b")]);
  rig.attach("b", [link("a"), link("c")]);
  rig.attach("c", [link("b")]);
  rig.attach("liar", [link("a"), link("c")]);
  rig.pass(1_000);
  t.like(rig.link("a--liar"), { state: "bad", reason: "a has no such link" });
  t.like(rig.command("a", { type: "relayNotification", destinationKma: "c" }), {
    transitKmas: ["b"],
  });
  // Whose other end is away, or has it after all, is a link.
  rig.core.detached("c", "cut");
  rig.report("a", [link("liar")]);
  rig.report("liar", [link("a"), link("c")]);
  rig.pass(11_000);
  t.is(rig.link("a--liar")?.state, "good");
  t.is(rig.link("c--liar")?.state, "good");
});

test("sessions and use of applications are their own key manager's to tell", (t) => {
  const rig = new Rig();
  rig.attach("a", [], applicationExtensions(["app-a"]));
  rig.attach("b", [], applicationExtensions(["app-b"]));
  rig.attach("liar", [], applicationExtensions(["app-l"]));
  const session = { id: "s-1", source: "app-a", destination: "app-b", keys: 0 } as const;
  const say = (km: string, more: Partial<SessionReport>) => {
    rig.report(km, [], [sessionExtension({ ...session, role: "source", ...more })]);
    return rig.core.status().open_sessions;
  };
  t.is(say("liar", {}), 0);
  t.is(say("liar", { destination: "app-l", role: "destination" }), 0);
  t.is(say("a", {}), 1);
  t.is(say("liar", { ended: true }), 1);
  t.is(say("b", { role: "destination", ended: true }), 0);
  const use = (km: string, keys: number) => {
    const usage = { applications: ["app-a", "app-b"], peer: "b", requests: 1, keys, bits: keys };
    rig.report(km, [], [usageExtension({ ...usage, refused: 0 })]);
    return rig.core.accounts().find(({ object }) => object === "app-a")?.keys ?? 0;
  };
  for (const keys of [0, 5]) t.is(use("liar", keys), 0);
  t.is(use("a", 0), 0);
  t.is(use("a", 7), 7);
});

test("pairs that a key manager makes up take no other's place", (t) => {
  const rig = new Rig({ rules: { pairs: 10, nodes: 5 } });
  rig.network([
    ["a", "b"],
    ["b", "c"],
    ["b", "liar"],
  ]);
  const none = { up: true, stock: 0, scheme: "case-2", relayed: 0, pads: 0, relays: 0, failed: 0 };
  const made = Array.from({ length: 20 }, (_, i) =>
    pairExtension({ ...none, peer: `made-up-${i}`, routing: "controller", consumption: 1 }),
  );
  rig.report("liar", [], made);
  for (let i = 0; i < 20; i++) {
    const sourceKma = `made-up-${i}`;
    rig.command("liar", { type: "nextHopRequest", sourceKma, destinationKma: "c" });
    rig.command("liar", { type: "nextHopRequest", sourceKma: "a", destinationKma: `c` });
  }
  t.is(rig.core.status().pairs.length, 5);
  const asked = { type: "nextHopRequest", sourceKma: "a", destinationKma: "c" } as const;
  t.like(rig.command("a", asked), { nextKmas: ["b"] });
  t.like(rig.command("b", asked), { nextKmas: ["c"] });
  const pairs = rig.core.status().pairs.map(({ pair }) => pair);
  t.deepEqual(
    pairs.filter((pair) => !pair.includes("made-up")),
    ["a--c"],
  );
});

test("applications that a key manager makes up are bounded", (t) => {
  const rig = new Rig();
  rig.attach("b", [], applicationExtensions(["app-b"]));
  for (let i = 0; i < 20; i++) {
    const ids = Array.from({ length: 1_000 }, (_, j) => `made-up-${i}-${j}`);
    rig.report("liar", [], applicationExtensions(ids));
  }
  const of = (km: string) => rig.core.status().nodes.find((one) => one.km === km)?.applications;
  t.is(of("liar")?.length, 10_000);
  t.deepEqual(of("b"), ["app-b"]);
});

test("a key manager whose reports cannot be read, over and over, is told of twenty times, and then once a minute", (t) => {
  const rig = new Rig();
  rig.network([["a", "b"]]);
  const ofNode = () => rig.core.status().changes.filter(({ kind }) => kind === "node").length;
  const before = ofNode();
  const bad = { type: "report", sourceKm: "a", extension: [{ link: { peer: 7 } }] };
  for (let i = 0; i < 1_000; i++) rig.command("a", bad as unknown as CkCommand);
  t.is(ofNode() - before, 20);
  rig.pass(60_000);
  rig.command("a", bad as unknown as CkCommand);
  t.is(ofNode() - before, 21);
});

test("rates that are no rates are refused, and leave sums numbers", (t) => {
  for (const wrong of [{ rate: 1e300 }, { consumption: 1e16 }, { secretKeyRate: -1 }]) {
    t.throws(() => linkExtension(link("b", wrong)), { code: "ck.message" });
  }
  const rig = new Rig();
  rig.network([["a", "b"]]);
  const huge = link("b", { rate: 1e15, consumption: 1e15, secretKeyRate: 1e15 });
  for (let i = 0; i < 10; i++) {
    rig.report("a", [huge]);
    rig.pass(1_000);
  }
  t.notRegex(JSON.stringify(rig.core.status()), /null/);
});

test("a pair that a key manager does not tell of any more is forgotten", (t) => {
  const pair = pairExtension({
    ...{ peer: "c", up: true, stock: 0, scheme: "case-2", routing: "controller" },
    ...{ relayed: 0, pads: 0, relays: 0, failed: 0, consumption: 1_000 },
  });
  const rig = new Rig();
  rig.network([
    ["a", "b"],
    ["b", "c"],
  ]);
  rig.attach("a", [link("b")], [pair]);
  rig.pass(1_000);
  t.truthy(rig.pair("a--c"));
  rig.attach("a", [link("b")], [pair]);
  rig.pass(1_000_000);
  t.truthy(rig.pair("a--c"));
  rig.attach("a", [link("b")]);
  rig.pass(1_000_000);
  t.is(rig.pair("a--c"), undefined);
});
