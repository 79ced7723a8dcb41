/** Topics that every program has towards its manager. */
import type { Topic } from "../mqtt/topic.ts";

export const topics = {
  status: { qos: 1, retain: true },
  inventory: { qos: 1, retain: true },
  alarm: { qos: 1, retain: true },
  event: { qos: 1, retain: false },
  result: { qos: 1, retain: false, expiry: 3_600 },
} as const satisfies Record<string, Topic>;

/** What every topic of Sparkplug B begins with: a broker may let a node publish there, too. */
export const sparkplugRoot = "spBv1.0";

/** How figures are told that are sent or dropped: what was not delivered within a minute has no use. */
export const telemetry = { qos: 0, retain: false, expiry: 60 } as const satisfies Topic;

/**
 * Characters of IDs that others choose, as those of key managers, which no level can have: wildcards and what
 * separates levels, what MQTT lets a broker end the connection for, and what {@link level} writes itself.
 */
const impossible = /[/+#%:\p{Cc}\p{Noncharacter_Code_Point}]/gu;

/**
 * A name as a topic level. A dot becomes a colon, since NATS before 2.10 ends the connection at a dot in a topic;
 * what no level can have is written as in URLs (`%23` for `#`). Two names never become one.
 */
export function level(name: string): string {
  return name
    .toWellFormed()
    .replace(impossible, (one) => [...Buffer.from(one)].map(percent).join(""))
    .replaceAll(".", ":");
}

function percent(byte: number): string {
  return `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
}

/** The ID of a program that {@link level} made a topic level of: these have nothing that is written as in URLs. */
export function nameOf(topicLevel: string): string {
  return topicLevel.replaceAll(":", ".");
}

/** Topic names of one program. @param root its first levels */
export function commonNames(root: string) {
  return {
    status: `${root}/status`,
    inventory: `${root}/inventory`,
    event: `${root}/event`,
    alarm: (id: string) => `${root}/alarm/${level(id)}`,
    commands: `${root}/cmd/+`,
    command: (name: string) => `${root}/cmd/${name}`,
    result: (name: string) => `${root}/cmd/${name}/result`,
  } as const;
}

export type CommonNames = ReturnType<typeof commonNames>;

/**
 * Where a result goes that a command asked for elsewhere than on its own result topic.
 * @param asked the command's response topic; the signature does not cover it
 * @returns undefined if it must not go there: a filter, a broker's own topic, one of the programs' own
 */
export function responseTopic(asked: string | undefined, base: string): string | undefined {
  if (asked === undefined || asked.length === 0 || Buffer.byteLength(asked) > 256) return undefined;
  if (/[+#\0]/.test(asked) || asked.startsWith("$") || asked.startsWith("/")) return undefined;
  const own = [base, sparkplugRoot];
  if (own.some((root) => asked === root || asked.startsWith(`${root}/`))) return undefined;
  return asked.split("/").length <= 8 ? asked : undefined;
}
