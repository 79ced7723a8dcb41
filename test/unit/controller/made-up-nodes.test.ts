/** Nodes that a key manager makes up go again, and leave room for those that others tell of. */
import test from "ava";
import { network } from "../../../src/controller/manager/payloads.ts";
import { link, Rig } from "./rig.ts";

const made = (round: number, count = 300) =>
  Array.from({ length: count }, (_, i) => link(`made-up-${round}-${i}`));
const names = (rig: Rig) => rig.core.status().nodes.map(({ km }) => km);

test("a node that others tell of is gone with its last link", (t) => {
  const rig = new Rig();
  rig.network([["a", "b"]]);
  for (let round = 0; round < 10; round++) rig.attach("liar", made(round));
  t.is(names(rig).length, 303);
  rig.report("liar", [], [], true);
  t.deepEqual(names(rig).sort(), ["a", "b", "liar"]);
  t.is(rig.core.status().links.length, 1);
});

test("who was here, who is configured, heard at the broker or ordered, stays", (t) => {
  const rig = new Rig({ nodes: [{ km: "c" }] });
  const peers = ["c", "e", "ordered", "was-here"];
  rig.attach("was-here", []);
  rig.core.detached("was-here", "cut");
  rig.core.heardNode({ node: "e", online: true, at: rig.wall, heardAt: rig.now, alarms: [] });
  rig.attach(
    "a",
    peers.map((km) => link(km)),
  );
  rig.core.setService("ordered", "out_of_service", "test");
  rig.report("a", [], [], true);
  t.deepEqual(names(rig).sort(), ["a", ...peers]);
});

test("a new neighbour that is not here yet takes the place of one that another makes up", (t) => {
  const rig = new Rig({ rules: { nodes: 50 } });
  rig.network([["a", "b"]]);
  rig.attach("liar", made(0));
  t.is(names(rig).length, 50);
  const told = rig.told.filter(({ text }) => text.includes("of its report not taken"));
  t.deepEqual(
    told.map(({ object }) => object),
    ["liar"],
  );
  rig.report("a", [link("b"), link("c"), link("d")]);
  t.truthy(rig.link("a--c"));
  t.truthy(rig.link("a--d"));
  t.is(names(rig).length, 50);
  // It can't take them back.
  rig.report("liar", made(1));
  t.truthy(rig.link("a--c"));
  t.truthy(rig.link("a--d"));
  t.is(rig.told.filter(({ text }) => text.includes("of its report not taken")).length, 1);
  rig.pass(1_000);
});

test("what a key manager told of its links is gone when it is withdrawn", (t) => {
  const rig = new Rig({
    nodes: [{ km: "a" }],
    access: { openToKms: false, openToApplications: true, applications: [] },
  });
  rig.core.register("km", "liar", "test");
  rig.attach("a", [link("liar")]);
  rig.attach("liar", [link("a"), ...made(0)]);
  t.is(rig.core.status().links.length, 301);
  rig.core.revoke("km", "liar", "test");
  t.deepEqual(names(rig).sort(), ["a", "liar"]);
  t.is(rig.link("a--liar")?.ends.length, 1);
});

test("links that one key manager makes up do not make the network look bad", (t) => {
  const rig = new Rig();
  rig.network([["a", "b"]]);
  rig.attach("liar", made(0));
  t.is(rig.core.status().verdict.code, "ready");
  rig.report("liar", [link("made-up-0-0", { up: false })]);
  t.is(rig.link("liar--made-up-0-0")?.state, "bad");
  t.is(rig.core.status().verdict.code, "ready");
  t.is(network(1, rig.core.status()).links_bad, 0);
  // One that both ends tell of is there.
  rig.report("a", [link("b", { up: false })]);
  rig.report("b", [link("a", { up: false })]);
  t.not(rig.core.status().verdict.code, "ready");
});
