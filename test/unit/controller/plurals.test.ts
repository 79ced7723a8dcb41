/** One is one, in what a controller and a key manager say of pairs and keys. */
import test from "ava";
import { statusText } from "../../../src/controller/cli/show.ts";
import { checkRoutes } from "../../../src/controller/doctor/network.ts";
import type { Running } from "../../../src/controller/doctor/subject.ts";
import type { StatusSummary } from "../../../src/controller/local/parts.ts";
import { checkNodes } from "../../../src/km/doctor/nodes.ts";
import { goodStatus } from "../../rig/km-status.ts";

function summary(pairs: number): StatusSummary {
  return {
    ...{ controller: "c", version: "1", started: "2026-01-31T12:00:00Z", role: "active" },
    ...{ mode: "distributed", open_sessions: 0, changes: [] },
    verdict: { level: "good", code: "ready", text: "all is well", action: "" },
    counts: { nodes: 2, attached: 2, links: { good: 1 }, pairs, lost: 0, alarms: 0 },
  };
}

test("one pair asks for keys, two ask", (t) => {
  t.regex(statusText(summary(1)), /pairs +1 asks for keys/);
  t.regex(statusText(summary(2)), /pairs +2 ask for keys/);
  const pair = { pair: "a--b", demand: 1, sessions: 0, route: ["a", "b"] };
  const found = (pairs: readonly object[]) =>
    checkRoutes({ status: { pairs } } as unknown as Running).detail;
  t.is(found([pair]), "1 pair asks for keys, each has a route");
  t.is(found([pair, pair]), "2 pairs ask for keys, each has a route");
});

test("one key came from a module", (t) => {
  const good = goodStatus();
  const modules = good.modules.map((one) => ({ ...one, received_keys: 1 }));
  const running = { status: { ...good, modules } } as unknown as Parameters<typeof checkNodes>[0];
  t.true(checkNodes(running).some(({ detail }) => detail.startsWith("1 key since the start")));
});
