/** The node, wired together: read this first. */
import { uptime } from "node:os";
import { within } from "../base/clock.ts";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { createLog, type Log } from "../base/log.ts";
import { backoff } from "../base/retry.ts";
import { softwareVersion } from "../base/version.ts";
import { diskFiles } from "../host/disk/files.ts";
import { crashReport, recordCrash } from "../host/life/crashes.ts";
import { processMemory, trimMemory } from "../host/life/memory-trim.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { retryUntilReady } from "../host/life/retry-until-ready.ts";
import { stopRequested } from "../host/life/signals.ts";
import { supervise } from "../host/life/supervisor.ts";
import { ledgerWaits } from "../host/life/waits.ts";
import { LogRing } from "../ops/local/log-ring.ts";
import { siteStatus } from "../ops/site/told.ts";
import { openUpdates, standardPlaces } from "../ops/update/appliance.ts";
import type { Config } from "./config/load.ts";
import type { ConfigReaders } from "./config/readers.ts";
import type { Ledger } from "./keys/ports.ts";
import type { LedgerFile } from "./ledger/ledger-file.ts";
import { ledgerPath, openLedger } from "./ledger/ledgers.ts";
import type { Channel } from "./module/channel.ts";
import type { ClosedModule } from "./module/closed.ts";
import { Halt } from "./module/halt.ts";
import { leftSpools } from "./spool/left-spools.ts";
import { lostGeneration } from "./state/lost-state.ts";
import { openStateDirectory } from "./state/state-directory.ts";
import { crashFile, holdBack } from "./wiring/crashes.ts";
import { reloadCertificates, watchAll } from "./wiring/credentials.ts";
import { healthLine, tellHealth } from "./wiring/health.ts";
import { keptBackPorts } from "./wiring/kept-back.ts";
import { Kms } from "./wiring/kms.ts";
import { tellOfLedgers } from "./wiring/ledgers.ts";
import { openLocal } from "./wiring/local.ts";
import { clock, random } from "./wiring/machine.ts";
import {
  closedModule,
  createChannel,
  ledgerOptions,
  untrusted,
  withSpool,
} from "./wiring/modules.ts";
import { Monitoring, type MorePorts } from "./wiring/monitoring.ts";
import { Panel } from "./wiring/panel.ts";
import { createPage, createServer, keyExchanges } from "./wiring/serving.ts";

/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;

/**
 * Runs the node until it is told to stop.
 * @returns an exit code
 */
export async function run(config: Config, readers: ConfigReaders): Promise<number> {
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const logs = new LogRing();
  const write = (line: string) => {
    logs.add(line);
    process.stderr.write(`${line}\n`);
  };
  // The reader of the log may end; the keys go on.
  process.stderr.on("error", () => {});
  const log = createLog(write, config.log.level, stamp).child("node");
  process.on("uncaughtException", (error) => {
    log.error("crash", { error: crashReport(error) });
    recordCrash(crashFile(config), uptime());
    process.exit(exit.software);
  });
  try {
    return await serve(config, readers, log, logs);
  } catch (error) {
    if (error instanceof Fault && error.code === "stopped") return exit.ok;
    log.error(describe(error));
    return error instanceof Fault ? exit.io : exit.software;
  }
}

async function serve(
  config: Config,
  { configure }: ConfigReaders,
  log: Log,
  logs: LogRing,
): Promise<number> {
  const stop = stopRequested();
  const stopping = new AbortController();
  void stop.then(() => stopping.abort());
  const opening = {
    codes: ["state.io", "ledger.io"],
    schedule: () => backoff({ ...ledgerWaits, random }),
    clock,
    log,
    signal: stopping.signal,
  } as const;

  const folder = config.node.state_dir;
  const beside = config.modules.map(({ name }) => ledgerPath(folder, name));
  const home = await retryUntilReady({ ...opening, name: "state" }, () =>
    openStateDirectory(diskFiles, folder, beside),
  );
  const { state } = home;
  const { boot } = state.data;
  if (state.data.lost?.boot === boot) log.error(`state: ${lostGeneration(state)}`);
  log.info("starting", { id: config.node.id, version: softwareVersion, boot, pid: process.pid });

  const monitoring = await retryUntilReady({ ...opening, name: "outbox" }, () =>
    Monitoring.open(config, { state, clock, random, log }),
  );
  const kms = await Kms.open(config, state, log);
  const progress = new Progress();
  const halt = new Halt();
  const panel = new Panel(config.panel, { state, halt, monitoring, clock, random, log });
  const channels: Channel[] = [];
  const closed: ClosedModule[] = [];
  const ledgers = new Map<string, LedgerFile>();
  const recording = {
    files: diskFiles,
    folder,
    state,
    options: ledgerOptions(config, progress),
    modules: config.modules.map(({ name }) => name),
  };
  for (const module of config.modules) {
    const channelLog = log.child(module.name);
    const opened = await retryUntilReady({ ...opening, name: "ledger" }, () =>
      openLedger(recording, module.name, channelLog).catch(untrusted),
    );
    if (opened instanceof Fault) {
      channelLog.error(`module is not served: ${describe(opened)}`);
      closed.push(closedModule(module, folder, opened));
      continue;
    }
    ledgers.set(module.name, opened);
    channels.push(
      createChannel(module, folder, opened, { monitoring, panel, halt, progress, kms }, channelLog),
    );
  }
  const server = config.server && createServer(config.server, config.node.id, channels, log);
  const views = [...channels, ...closed];
  const page = config.web.enabled
    ? createPage(config, views, monitoring, panel, boot, log, logs)
    : undefined;
  const certificates = watchAll(config, channels, server, page, log);
  const reload = () => reloadCertificates(certificates, monitoring);
  process.on("SIGHUP", () => void reload().catch((error) => log.warn(describe(error))));
  const updates = openUpdates(config, standardPlaces(process.env.RUNTIME_DIRECTORY), {
    clock,
    log,
    onEvent: (event) => monitoring.event(event),
  });
  const ports: MorePorts = {
    reloadCertificates: reload,
    clearTamper: (by: string) => panel.guard.clear(by),
    zeroize: (module: string) => panel.guard.zeroize(module),
    supportBundle: () => local.bundle(),
    ...keptBackPorts(channels, kms),
    ...(updates && { installUpdate: async (args, signed) => updates.begin(args, signed) }),
  };
  monitoring.start(
    views,
    new Map<string, Pick<Ledger, "failure">>([
      ...ledgers,
      ...closed.map((one) => [one.name, one] as const),
    ]),
    ports,
    panel.guard,
  );
  await tellOfLedgers(recording, monitoring, log);
  const site = siteStatus(process.env);
  if (site?.provisioned === "unsigned") {
    const facts = { serial: site.serial };
    monitoring.event({ type: "configuration_unsigned", at: clock.wall(), facts });
  }
  monitoring.keyExchanges = () => keyExchanges(channels, server);
  panel.start(views, await leftSpools(diskFiles, folder, withSpool(config)));
  await holdBack(monitoring, crashFile(config), stopping.signal, log);
  const notify = systemdNotify({ clock, log, environment: process.env });
  // Told to stop meanwhile: nothing is begun that would be ended at once.
  const begun = !stopping.signal.aborted;
  if (begun) {
    for (const channel of channels) channel.start();
    await server?.listen();
    halt.watch((on) => on && server?.halt());
    notify.ready();
  }
  const supervision = supervise({ progress, notify, clock, log });
  const slack = trimMemory(processMemory, clock, log.child("memory"));
  const local = await openLocal({
    config,
    boot,
    modules: views,
    ledgers,
    monitoring,
    more: ports,
    updates,
    site,
    panel: () => panel.shown(),
    keyExchanges: server && (() => server.keyExchanges),
    load: () => configure(config.file),
    logs,
    clock,
    log,
  });
  const health = tellHealth(notify, clock, () => healthLine(views, monitoring.broker?.up));

  const signal = await stop;
  log.info("stopping", { signal });
  if (begun) notify.stopping();
  certificates.stop();
  supervision.cancel();
  slack.cancel();
  await local.close();
  health.cancel();
  const orderly = async () => {
    await panel.stop();
    await server?.close();
    await page?.stop();
    await Promise.all(channels.map((channel) => channel.stop()));
    await Promise.all([...ledgers.values()].map((ledger) => ledger.close()));
    await monitoring.stop();
    await notify.told();
    home.release();
  };
  const late = () =>
    new Fault("stopped", "not everything stopped in time", { limit_ms: stopTimeout });
  await within(clock, stopTimeout, orderly(), late).catch((error) => {
    // Nothing is lost: what was not released is still in the module.
    for (const channel of channels) channel.abandon();
    log.warn(describe(error));
  });
  log.info("stopped");
  return exit.ok;
}
