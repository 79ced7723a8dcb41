/** The topics of a controller, in one table. `{base}` is 1 to 3 levels; 7 slashes at most. */
import { topics as common, commonNames, level, telemetry } from "../../ops/manager/topics.ts";
import type { Topic } from "../../ops/mqtt/topic.ts";

export const topics = {
  ...common,
  telemetry,
  network: { qos: 1, retain: true },
  link: { qos: 1, retain: true },
} as const satisfies Record<string, Topic>;

/** Topic names of one controller: beside those of nodes and key managers. */
export function topicNames(base: string, controller: string) {
  const root = `${base}/controller/${level(controller)}`;
  return {
    ...commonNames(root),
    telemetry: `${root}/telemetry`,
    network: `${root}/network`,
    link: (link: string) => `${root}/link/${level(link)}/state`,
  } as const;
}
