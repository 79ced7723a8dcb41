/** What is followed of key managers' counters is bounded, and one of them takes no room of the others. */
import test from "ava";
import { Counters } from "../../../src/controller/accounting/counters.ts";
import { applicationExtensions, usageExtension } from "../../../src/wire/ck/state.ts";
import { link, Rig } from "./rig.ts";

test("a key manager with very many counters takes no room of another, and is told of once", (t) => {
  const full: string[] = [];
  const counters = new Counters({ all: 100, km: 60 }, (km) => full.push(km));
  counters.grown("good", "link a--b", [1]);
  for (let i = 0; i < 10_000; i++) {
    counters.grown("bad", `link ${i}`, [i]);
    counters.grown(i % 2 === 0 ? "bad" : "worse", `other ${i} ${"x".repeat(500)}`, [i]);
  }
  t.is(counters.size, 100);
  t.deepEqual(counters.grown("good", "link a--b", [5]), [4]);
  t.deepEqual(full.toSorted(), ["bad", "worse"]);
  counters.forget("bad");
  t.true(counters.size < 60);
});

test("of a key manager's own counters those that are told go on, and the one that was told longest ago is given up", (t) => {
  const counters = new Counters({ all: 100, km: 3 }, () => {});
  for (const name of ["a", "b", "c"]) counters.grown("km", name, [1]);
  counters.grown("km", "a", [2]);
  counters.grown("km", "d", [1]);
  t.deepEqual(counters.grown("km", "a", [5]), [3]);
  t.deepEqual(counters.grown("km", "b", [5]), [0]);
});

test("what an application uses is counted though another key manager makes up usage all day", (t) => {
  const rig = new Rig();
  const usage = (applications: readonly string[], keys: number) =>
    usageExtension({ applications, peer: "b", requests: keys, keys, bits: keys, refused: 0 });
  rig.attach("bad", []);
  for (let i = 0; i < 110; i++) {
    const made = Array.from({ length: 1_000 }, (_, k) => usage([`made-${i}-${k}`, "x"], 1));
    rig.report("bad", [], made);
  }
  rig.attach("good", [link("b")], applicationExtensions(["app"]));
  rig.report("good", [], [usage(["app", "other"], 10)]);
  rig.report("good", [], [usage(["app", "other"], 15)]);
  const account = rig.core.accounts().find(({ object }) => object === "app");
  t.is(account?.keys, 5);
});

/** Processor time of ever new counters where there is no room, µs. */
function costOf(limit: number): number {
  const counters = new Counters({ all: 100_000, km: limit }, () => {});
  for (let i = 0; i < limit; i++) counters.grown("km", `link ${i}`, [i]);
  const before = process.cpuUsage();
  for (let i = limit; i < limit + 60_000; i++) counters.grown("km", `link ${i}`, [i]);
  const { user, system } = process.cpuUsage(before);
  return user + system;
}

test("a counter that takes the place of another costs the same however many there are", (t) => {
  costOf(100);
  const [few, many] = [costOf(100), costOf(20_000)];
  t.true(many < few * 12, `${many} µs, of few ${few} µs`);
});
