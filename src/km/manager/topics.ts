/** The topics of a key manager, in one table. `{base}` is 1 to 3 levels; 7 slashes at most. */
import { topics as common, commonNames, level, telemetry } from "../../ops/manager/topics.ts";
import type { Topic } from "../../ops/mqtt/topic.ts";

export const topics = {
  ...common,
  telemetry,
  link: { qos: 1, retain: true },
  link_telemetry: telemetry,
  module: { qos: 1, retain: true },
  module_telemetry: telemetry,
  record: { qos: 1, retain: false },
} as const satisfies Record<string, Topic>;

/** Topic names of one key manager: beside those of nodes, so that who listens to nodes hears nothing else. */
export function topicNames(base: string, km: string) {
  const root = `${base}/km/${level(km)}`;
  return {
    ...commonNames(root),
    telemetry: `${root}/telemetry`,
    link: (link: string) => `${root}/link/${level(link)}/state`,
    linkTelemetry: (link: string) => `${root}/link/${level(link)}/telemetry`,
    module: (module: string) => `${root}/module/${level(module)}/state`,
    moduleTelemetry: (module: string) => `${root}/module/${level(module)}/telemetry`,
    record: `${root}/record`,
  } as const;
}
