import test from "ava";
import { tellHealth } from "../../../../src/host/life/tell-health.ts";
import { type VerdictCode, verdictKinds } from "../../../../src/node/alarms/verdict.ts";
import type { ModuleState, ModuleView } from "../../../../src/node/model/manager.ts";
import { healthLine } from "../../../../src/node/wiring/health.ts";
import { ManualClock } from "../../../clock.ts";

function view(name: string, module: ModuleState["module"], km: ModuleState["km"]): ModuleView {
  const state = { module, link: "ACTIVE", km, reason: "", since: 0 } as const;
  const isGood = module === "OPERATING" && km === "UP";
  return {
    name,
    state: () => state,
    health: () => verdict(isGood ? "good" : "module_down"),
  } as unknown as ModuleView;
}

function verdict(code: VerdictCode) {
  return { ...verdictKinds[code], code, text: `it is ${code}`, since: 0 };
}

test("healthy is a node whose modules, KMs and broker are all up", (t) => {
  const good = view("alice", "OPERATING", "UP");
  t.is(healthLine([good], true), "healthy: 1 module with its KM");
  t.regex(healthLine([good], undefined), /^healthy/);
  t.is(healthLine([good], false), "not healthy: no broker");
  t.is(
    healthLine([good, view("bob", "DOWN", "DOWN")], true),
    "not healthy: module bob is DOWN, KM of bob is DOWN",
  );
  const but = (code: VerdictCode) => ({ ...good, health: () => verdict(code) });
  t.is(healthLine([but("km_silent")], true), "not healthy: alice: it is km_silent");
  t.regex(healthLine([but("no_light")], true), /^healthy/, "no software cuts a fibre");
});

test("systemd is told once, and again when it changes", async (t) => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let line = "not healthy: no broker";
  const timer = tellHealth({ status: (text) => lines.push(text) }, clock, () => line);
  await clock.advance(10_000);
  line = "healthy";
  await clock.advance(10_000);
  timer.cancel();
  line = "not healthy";
  await clock.advance(10_000);
  t.deepEqual(lines, ["not healthy: no broker", "healthy"]);
});
