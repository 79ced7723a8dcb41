/** Who tells the manager: MQTT, and Sparkplug B beside it where that is wanted. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import type { BrokerCredentials } from "../../ops/mqtt/credentials.ts";
import type { Outbox } from "../../ops/outbox/outbox.ts";
import type { Config } from "../config/load.ts";
import { Manager, type ManagerOptions } from "../manager/manager.ts";
import { SparkplugPublisher } from "../sparkplug/publisher.ts";
import type { StateStore } from "../state/store.ts";

export interface PublishingParts {
  readonly state: StateStore;
  readonly clock: Clock;
  readonly log: Log;
}

export interface ManagerParts extends PublishingParts {
  readonly outbox: Outbox;
  readonly credentials: () => BrokerCredentials;
  readonly report: ManagerOptions["onReport"];
}

export function createManager(config: Config, parts: ManagerParts): Manager | undefined {
  const options = config.manager;
  if (options === undefined) return undefined;
  return new Manager({
    url: options.url,
    base: options.base,
    protocol: options.protocol,
    username: options.username,
    credentials: parts.credentials,
    telemetryIntervalMs: options.telemetry_interval_s,
    nodeId: config.node.id,
    boot: parts.state.data.boot,
    softwareVersion,
    configurationDigest: config.digest,
    outbox: parts.outbox,
    onReport: parts.report,
    clock: parts.clock,
    log: parts.log.child("manager"),
  });
}

export function createSparkplug(
  config: Config,
  { state, clock, log }: PublishingParts,
  credentials: () => BrokerCredentials,
): SparkplugPublisher | undefined {
  const { node, digest, manager } = config;
  if (manager?.sparkplug === undefined) return undefined;
  const { url, protocol, username, sparkplug } = manager;
  return new SparkplugPublisher({
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
