/** The topics of a node, in one table. `{base}` is 1 to 3 levels; 7 slashes at most. */
import { topics as common, commonNames, level, telemetry } from "../../ops/manager/topics.ts";
import type { Topic } from "../../ops/mqtt/topic.ts";

export const topics = {
  ...common,
  state: { qos: 1, retain: true },
  telemetry,
  kq1: telemetry,
} as const satisfies Record<string, Topic>;

/** Topic names of one node. */
export function topicNames(base: string, node: string) {
  const root = `${base}/${level(node)}`;
  return {
    ...commonNames(root),
    state: (module: string) => `${root}/module/${level(module)}/state`,
    telemetry: (module: string) => `${root}/module/${level(module)}/telemetry`,
    kq1: (module: string) => `${root}/kq1/${level(module)}`,
  } as const;
}
