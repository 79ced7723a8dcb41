/** What the page shows, as it is sent to it. Pure; JSON, times in ms since 1970 UTC. */

import { keptBack, panelStatus } from "../local/answers.ts";
import { alarm } from "../manager/payloads.ts";
import { conditionOf, raised } from "./condition.ts";
import type { LinkView, ModuleFacts, NodeView } from "./view.ts";

function linkSnapshot(module: LinkView, facts: ModuleFacts | undefined, node: NodeView) {
  const state = module.state();
  const rates = node.recorder.rates(module.name);
  const { mode = "proactive", qberLimit, kms = [] } = facts ?? {};
  return {
    ...module.describe(),
    mode,
    qber_limit: qberLimit,
    condition: conditionOf(module.health()),
    kept_back: keptBack(module),
    state,
    figures: module.peekTelemetryWindow(),
    supply: module.supply(),
    rates,
    kms: module.kms().map((km) => ({ ...kms.find(({ name }) => name === km.name), ...km })),
  };
}

/** Everything but the events. */
export function snapshot(node: NodeView, now: number) {
  const panel = node.panel();
  return {
    t: now,
    node: {
      id: node.id,
      version: node.version,
      development: node.development,
      boot: node.boot,
      configuration: node.configuration,
      started: node.started,
      broker: node.broker(),
      panel: panelStatus(panel),
    },
    modules: node.modules.map((module) => {
      const facts = node.facts.find(({ name }) => name === module.name);
      return linkSnapshot(module, facts, node);
    }),
    alarms: raised(node.alarms.records()).map((record) => alarm(record)),
  };
}

export type Snapshot = ReturnType<typeof snapshot>;
