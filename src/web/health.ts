/** `/healthz` and `/readyz`: for whatever restarts, or waits for, a node. */
import type { ServerResponse } from "node:http";
import { sendText } from "./reply.ts";
import type { NodeView } from "./view.ts";

/** The counters are read each second; a node that has not done so for this long is stuck, ms. */
const stuckAfterMs = 15_000;

/** 200 while the node makes progress. A node that hangs altogether does not answer at all. */
export function alive(response: ServerResponse, node: NodeView): void {
  const good = node.recorder.idleMs < stuckAfterMs;
  sendText(response, good ? 200 : 503, "text/plain", good ? "ok\n" : "no progress\n");
}

/** Ready: every module answers, and a KM of each can be reached. */
export function readiness(node: NodeView) {
  const modules = node.modules.map((module) => {
    const { module: condition, km, reason } = module.state();
    return { name: module.name, module: condition, km, reason };
  });
  return {
    ready: modules.every(({ module, km, reason }) => {
      return module === "OPERATING" && km === "UP" && !reason.includes("ledger:");
    }),
    modules,
  };
}
