/** The topics of the manager interface, in one table. `{base}` is 1 to 3 levels; 7 slashes at most. */

export interface Topic {
  readonly qos: 0 | 1;
  readonly retain: boolean;
  /** Seconds after which a message that was not delivered has no use (MQTT 5 only). */
  readonly expiry?: number;
}

export const topics = {
  status: { qos: 1, retain: true },
  inventory: { qos: 1, retain: true },
  state: { qos: 1, retain: true },
  telemetry: { qos: 0, retain: false, expiry: 60 },
  kq1: { qos: 0, retain: false, expiry: 60 },
  event: { qos: 1, retain: false },
} as const satisfies Record<string, Topic>;

/** Topic names of one node. */
export function topicNames(base: string, node: string) {
  const root = `${base}/${node}`;
  return {
    status: `${root}/status`,
    inventory: `${root}/inventory`,
    event: `${root}/event`,
    state: (module: string) => `${root}/module/${module}/state`,
    telemetry: (module: string) => `${root}/module/${module}/telemetry`,
    kq1: (module: string) => `${root}/kq1/${module}`,
  } as const;
}
