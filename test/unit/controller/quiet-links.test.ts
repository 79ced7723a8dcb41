/** Links of which nothing changes: key managers report every 5 s, and tell what changed alone. */
import test from "ava";
import { defaultRules } from "../../../src/controller/policy/network.ts";
import { link, Rig, square } from "./rig.ts";

/** Key managers go on to report for so long, and have nothing to tell. */
function quiet(rig: Rig, kms: readonly string[], seconds: number): void {
  for (let s = 0; s < seconds; s += 5) {
    rig.pass(5_000);
    for (const km of kms) rig.report(km, []);
  }
}

test("a link with stock of which nothing changes stays good, and its pairs keep their routes", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.pass(defaultRules.settleMs + 500);
  rig.core.command(
    "a",
    { type: "relayNotification", sourceKma: "a", destinationKma: "d" },
    () => {},
  );
  quiet(rig, ["a", "b", "c", "d"], 600);
  for (const [a, b] of square) t.like(rig.link(`${a}--${b}`), { state: "good", reason: "" });
  t.is(rig.pair("a--d")?.route.length, 3);
  t.true((rig.link("a--b")?.ends[0]?.age_s ?? 99) < 5);
});

test("a link that is down stays bad for as long as its key managers say nothing else", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.report("a", [link("b", { up: false })]);
  rig.report("b", [link("a", { up: false })]);
  quiet(rig, ["a", "b"], 120);
  t.like(rig.link("a--b"), {
    state: "bad",
    reason: "its key managers do not talk to each other",
  });
});

test("a key manager that reports no more is not known to be well, and one that tells all of another link has this one no more", (t) => {
  const rig = new Rig();
  rig.network(square);
  rig.pass(defaultRules.settleMs + 500);
  quiet(rig, ["c", "d"], 30);
  t.like(rig.link("a--b"), { state: "unknown", reason: "no report for 15 s" });
  t.is(rig.link("c--d")?.state, "good");
  rig.report("c", [link("a")], [], true);
  rig.report("d", [link("b")], [], true);
  quiet(rig, ["c", "d"], 30);
  t.is(rig.link("c--d")?.ends.length ?? 0, 0);
});
