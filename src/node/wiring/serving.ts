/** What the node serves: keys to KMs that ask for them, the page to people. */

import type { Log } from "../../base/log.ts";
import { softwareVersion } from "../../base/version.ts";
import type { LogRing } from "../../ops/local/log-ring.ts";
import { Page } from "../../ops/page/page.ts";
import type { Config, KmConfig, ServerConfig } from "../config/load.ts";
import { KeyServer } from "../io/https-server.ts";
import type { Channel } from "../module/channel.ts";
import { pageContent } from "../page/content.ts";
import type { KmFacts, LinkView, NodeView } from "../page/view.ts";
import { serverIdentity } from "./credentials.ts";
import { clock, random } from "./machine.ts";
import type { Monitoring } from "./monitoring.ts";
import type { Panel } from "./panel.ts";

export function createServer(
  server: ServerConfig,
  nodeId: string,
  channels: readonly Channel[],
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

export function createPage(
  config: Config,
  modules: readonly LinkView[],
  monitoring: Monitoring,
  panel: Panel,
  boot: number,
  log: Log,
  logs: LogRing,
): Page {
  const facts = config.modules.map(({ name, mode, qber_limit, kms }) => {
    return { name, mode, qberLimit: qber_limit, kms: kms.map(kmFacts) };
  });
  const node: NodeView = {
    id: config.node.id,
    version: softwareVersion,
    boot,
    configuration: config.digest,
    started: clock.wall(),
    modules,
    facts,
    alarms: monitoring.watch,
    history: monitoring.history,
    recorder: monitoring.recorder,
    logs,
    broker: () => monitoring.broker,
    panel: () => panel.shown(),
  };
  const content = () => pageContent(node, clock);
  const page = new Page(config.web, { content, clock, random, log: log.child("web") });
  monitoring.watchers.add(() => page.pushUpdate());
  return page;
}

/** What the page shows of a KM's configuration. */
function kmFacts({ name, host, port, transport }: KmConfig): KmFacts {
  return { name, address: `${host}:${port}`, transport };
}
