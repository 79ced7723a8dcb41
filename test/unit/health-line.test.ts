import test from "ava";
import type { ModuleState, ModuleView } from "../../src/manager/view.ts";
import { healthLine, tellHealth } from "../../src/update/health.ts";
import { ManualClock } from "../clock.ts";

function view(name: string, module: ModuleState["module"], km: ModuleState["km"]): ModuleView {
  const state = { module, link: "ACTIVE", km, reason: "", since: 0 } as const;
  return { name, state: () => state } as unknown as ModuleView;
}

test("healthy is a node whose modules, KMs and broker are all up", (t) => {
  const good = view("alice", "OPERATING", "UP");
  t.is(healthLine([good], true), "healthy: 1 of 1 modules with their KMs");
  t.regex(healthLine([good], undefined), /^healthy/);
  t.is(healthLine([good], false), "not healthy: no broker");
  t.is(
    healthLine([good, view("bob", "DOWN", "DOWN")], true),
    "not healthy: module bob is DOWN, KM of bob is DOWN",
  );
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
