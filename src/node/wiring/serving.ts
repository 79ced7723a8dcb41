/** What the node serves: keys to KMs that ask for them, the page to people. */

import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import type { Machine } from "../../host/machine.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { Page } from "../../ops/page/page.ts";
import { readImage } from "../../ops/update/image.ts";
import type {
  ConfigFile,
  KmConfig,
  ModuleConfig,
  NodeConfig,
  ServerConfig,
  WebConfig,
} from "../config/tables.ts";
import { KeyServer } from "../io/https-server.ts";
import type { Channel } from "../module/channel.ts";
import { pageContent } from "../page/content.ts";
import type { KmFacts, LinkView, NodeView } from "../page/view.ts";
import { serverIdentity } from "./credentials.ts";
import type { Monitoring } from "./monitoring.ts";
import type { Panel } from "./panel.ts";

export function createServer(
  server: ServerConfig,
  nodeId: string,
  channels: readonly Channel[],
  clock: Clock,
  log: Log,
): KeyServer {
  return new KeyServer({
    host: server.host,
    port: server.port,
    tls: serverIdentity(server),
    allowCommonName: server.allow_common_name,
    modules: () => channels.flatMap((channel) => channel.access() ?? []),
    nodeId,
    clock,
    log: log.child("server"),
  });
}

/** Where keys travel under TLS, by the object of its alarms, and by which key exchanges. */
export function* keyExchanges(
  channels: readonly Channel[],
  server: KeyServer | undefined,
): Generator<readonly [string, readonly string[]]> {
  const groups = new Map<string, string[]>();
  for (const { name, keyExchange } of channels.flatMap((channel) => channel.kms())) {
    if (keyExchange === undefined) continue;
    groups.set(name, [...(groups.get(name) ?? []), keyExchange]);
  }
  for (const [name, found] of groups) yield [`km.${name}`, found];
  if (server !== undefined) yield ["server", server.keyExchanges];
}

/** The tables that the page shows, or is served by. */
export interface PageTables extends Pick<ConfigFile, "digest"> {
  readonly node: NodeConfig;
  readonly web: WebConfig;
  readonly modules: readonly ModuleConfig[];
}

/** What the page shows beside the modules. */
export interface PageContext extends Pick<Machine, "clock" | "random"> {
  readonly monitoring: Monitoring;
  readonly panel: Panel;
  readonly boot: number;
  readonly log: Log;
  readonly logs: LogRing;
}

export function createPage(
  { node, web, digest, modules: configured }: PageTables,
  modules: readonly LinkView[],
  { monitoring, panel, boot, clock, random, log, logs }: PageContext,
): Page {
  const facts = configured.map(({ name, mode, qber_limit, kms }) => {
    return { name, mode, qberLimit: qber_limit, kms: kms.map(kmFacts) };
  });
  const begun = clock.now();
  const view: NodeView = {
    id: node.id,
    version: softwareVersion,
    development: readImage()?.development ?? false,
    boot,
    configuration: digest,
    started: clock.wall(),
    uptime: () => clock.now() - begun,
    modules,
    facts,
    alarms: monitoring.watch,
    history: monitoring.history,
    recorder: monitoring.recorder,
    logs,
    broker: () => monitoring.broker,
    panel: () => panel.shown(),
  };
  const content = () => pageContent(view, clock);
  const page = new Page(web, { content, clock, random, log: log.child("web") });
  monitoring.watchers.add(() => page.pushUpdate());
  return page;
}

/** What the page shows of a KM's configuration. */
function kmFacts({ name, host, port, transport }: KmConfig): KmFacts {
  return { name, address: `${host}:${port}`, transport };
}
