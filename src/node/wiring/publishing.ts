/** Who tells the manager: MQTT, and Sparkplug B beside it where that is wanted. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import type { BrokerCredentials } from "../../ops/mqtt/credentials.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import type { ConfigFile, ManagerConfig, NodeConfig } from "../config/tables.ts";
import { Manager, type ManagerOptions } from "../manager/manager.ts";
import type { SparkplugPublisher } from "../sparkplug/publisher.ts";
import type { StateStore } from "../state/store.ts";

export interface PublishingParts {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ManagerParts extends PublishingParts {
  readonly outbox: Outbox;
  readonly incarnation: string;
  readonly credentials: () => BrokerCredentials;
  readonly report: ManagerOptions["onReport"];
}

/** The tables that say who publishes, and where. */
export interface PublishingTables extends Pick<ConfigFile, "digest"> {
  readonly node: NodeConfig;
  readonly manager: ManagerConfig | undefined;
}

export function createManager(
  { node, manager: options, digest }: PublishingTables,
  parts: ManagerParts,
): Manager | undefined {
  if (options === undefined) return undefined;
  return new Manager({
    url: options.url,
    base: options.base,
    protocol: options.protocol,
    username: options.username,
    credentials: parts.credentials,
    telemetryInterval: options.telemetry_interval,
    nodeId: node.id,
    boot: parts.state.data.boot,
    incarnation: parts.incarnation,
    softwareVersion,
    configurationDigest: digest,
    outbox: parts.outbox,
    onReport: parts.report,
    clock: parts.clock,
    log: parts.log.child("manager"),
  });
}

type CreateSparkplug = (
  parts: PublishingParts,
  credentials: () => BrokerCredentials,
) => SparkplugPublisher;

/** Undefined where none is configured: only a node that speaks Sparkplug pays for it, 7 MB and 14 ms. */
export async function loadSparkplug({
  node,
  digest,
  manager,
}: PublishingTables): Promise<CreateSparkplug | undefined> {
  if (manager?.sparkplug === undefined) return undefined;
  const { url, protocol, username, sparkplug } = manager;
  const { SparkplugPublisher } = await import("../sparkplug/publisher.ts");
  return ({ state, clock, log }, credentials) =>
    new SparkplugPublisher({
      url,
      protocol,
      username,
      credentials,
      group: sparkplug.group,
      edge: sparkplug.edge_node ?? node.id,
      facts: { node: node.id, boot: state.data.boot, version: softwareVersion },
      configurationDigest: digest,
      clock,
      log: log.child("sparkplug"),
    });
}

export type LoadedSparkplug = Awaited<ReturnType<typeof loadSparkplug>>;
