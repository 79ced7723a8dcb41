/** What a key manager that lies, a broker's client that makes things up, and a clock that jumps can't do to a controller. */
import test from "ava";
import { link, Rig } from "./rig.ts";

test("no report takes the place of a link of others, whatever its ends are called", (t) => {
  const rig = new Rig({ links: [{ a: "a--b", b: "c" }] });
  rig.network([["a--b", "c"]]);
  rig.pass(1_000);
  const before = rig.link("a--b--c");
  t.like(before, { state: "good" });
  rig.attach("a", [link("b--c", { up: false })]);
  rig.pass(1_000);
  t.deepEqual(
    rig.core.status().links.map(({ link: name, state }) => [name, state]),
    [["a--b--c", "good"]],
  );
});

test("names that the broker's clients make up take no key manager's place", (t) => {
  const rig = new Rig({ rules: { nodes: 20 } });
  for (let i = 0; i < 100; i++) {
    rig.core.heardNode({ node: `made-up-${i}`, online: true, at: rig.wall, alarms: [] });
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
