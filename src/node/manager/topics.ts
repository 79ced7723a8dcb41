/** The topics of the manager interface, in one table. `{base}` is 1 to 3 levels; 7 slashes at most. */

import type { Topic } from "../../ops/mqtt/topic.ts";

export const topics = {
  status: { qos: 1, retain: true },
  inventory: { qos: 1, retain: true },
  state: { qos: 1, retain: true },
  telemetry: { qos: 0, retain: false, expiry: 60 },
  kq1: { qos: 0, retain: false, expiry: 60 },
  alarm: { qos: 1, retain: true },
  event: { qos: 1, retain: false },
  result: { qos: 1, retain: false, expiry: 3_600 },
} as const satisfies Record<string, Topic>;

/**
 * A name as a topic level. NATS before 2.10 ends the connection at a dot in a topic, and no name of
 * the configuration has a colon: two names never become one.
 */
export function level(name: string): string {
  return name.replaceAll(".", ":");
}

/** The name that {@link level} made a topic level of. */
export function nameOf(topicLevel: string): string {
  return topicLevel.replaceAll(":", ".");
}

/** Topic names of one node. */
export function topicNames(base: string, node: string) {
  const root = `${base}/${level(node)}`;
  return {
    status: `${root}/status`,
    inventory: `${root}/inventory`,
    event: `${root}/event`,
    state: (module: string) => `${root}/module/${level(module)}/state`,
    telemetry: (module: string) => `${root}/module/${level(module)}/telemetry`,
    kq1: (module: string) => `${root}/kq1/${level(module)}`,
    alarm: (id: string) => `${root}/alarm/${level(id)}`,
    commands: `${root}/cmd/+`,
    command: (name: string) => `${root}/cmd/${name}`,
    result: (name: string) => `${root}/cmd/${name}/result`,
  } as const;
}

/**
 * Where a result goes that a command asked for elsewhere than on its own result topic.
 * @param asked the command's response topic; the signature does not cover it
 * @returns undefined if it must not go there: a filter, a broker's own topic, one of the nodes' own
 */
export function responseTopic(asked: string | undefined, base: string): string | undefined {
  if (asked === undefined || asked.length === 0 || Buffer.byteLength(asked) > 256) return undefined;
  if (/[+#\0]/.test(asked) || asked.startsWith("$") || asked.startsWith("/")) return undefined;
  if (asked === base || asked.startsWith(`${base}/`)) return undefined;
  return asked.split("/").length <= 8 ? asked : undefined;
}
