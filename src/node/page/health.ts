/** `/healthz` and `/readyz`: for whatever restarts, or waits for, a node. */
import type { ServerResponse } from "node:http";
import { sendText } from "../../ops/page/reply.ts";
import { conditionOf } from "./condition.ts";
import type { NodeView } from "./view.ts";

/** The counters are read each second; a node that has not done so for this long is stuck, ms. */
const stuckAfterMs = 15_000;

/** 200 while the node makes progress. A node that hangs altogether does not answer at all. */
export function alive(response: ServerResponse, node: NodeView): void {
  const good = node.recorder.idleMs < stuckAfterMs;
  sendText(response, good ? 200 : 503, "text/plain", good ? "ok\n" : "no progress\n");
}

/** Ready: keys of every module arrive at a KM, or do as soon as they are there. */
export function readiness(node: NodeView) {
  const modules = node.modules.map((module) => {
    const { module: condition, km, reason } = module.state();
    const health = conditionOf(module.health());
    return { name: module.name, module: condition, km, reason, health };
  });
  return { ready: modules.every(({ health }) => health.ready), modules };
}
