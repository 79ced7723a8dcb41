/** The node, wired together: read this first. */
import { uptime } from "node:os";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import type { Log } from "../base/log.ts";
import { backoff } from "../base/retry.ts";
import { softwareVersion } from "../base/version.ts";
import { closeOrEnd } from "../host/life/close.ts";
import { recordCrash } from "../host/life/crashes.ts";
import { processMemory, trimMemory } from "../host/life/memory-trim.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { retryUntilReady } from "../host/life/retry-until-ready.ts";
import { stopRequested } from "../host/life/signals.ts";
import { startInTime } from "../host/life/start.ts";
import { supervise } from "../host/life/supervisor.ts";
import { tellHealth } from "../host/life/tell-health.ts";
import { ledgerWaits } from "../host/life/waits.ts";
import { type Machine, thisMachine } from "../host/machine.ts";
import { runDaemon } from "../ops/daemon/run.ts";
import type { LogRing } from "../ops/local/log-ring.ts";
import { startRenewal } from "../ops/renewal/open.ts";
import { siteStatus } from "../ops/site/told.ts";
import { openUpdates, standardPlaces } from "../ops/update/appliance.ts";
import { readImage } from "../ops/update/image.ts";
import { renewalTables } from "./config/certificates.ts";
import type { Config } from "./config/load.ts";
import type { ConfigReaders } from "./config/readers.ts";
import type { LedgerFile } from "./ledger/ledger-file.ts";
import { ledgerPath, openLedger } from "./ledger/ledgers.ts";
import type { NodeEvent } from "./model/manager.ts";
import type { Channel } from "./module/channel.ts";
import { Halt } from "./module/halt.ts";
import { lostGeneration } from "./state/lost-state.ts";
import { openStateDirectory } from "./state/state-directory.ts";
import { crashFile, holdBack } from "./wiring/crashes.ts";
import { reloadCertificates, watchAll } from "./wiring/credentials.ts";
import { healthLine } from "./wiring/health.ts";
import { keptBackPorts } from "./wiring/kept-back.ts";
import { Kms } from "./wiring/kms.ts";
import { Telling } from "./wiring/kq2.ts";
import { tellOfLedgers } from "./wiring/ledgers.ts";
import { createLocal } from "./wiring/local.ts";
import { createModules, ledgerOptions, unreadable, untrusted } from "./wiring/modules.ts";
import { Monitoring, type MorePorts } from "./wiring/monitoring.ts";
import { Panel } from "./wiring/panel.ts";
import { createPage, createServer, keyExchanges } from "./wiring/serving.ts";
import { tellOfSpools } from "./wiring/spools.ts";
import { ledgerTroubles } from "./wiring/stalled.ts";

/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;

/**
 * Runs the node until it is told to stop.
 * @returns an exit code
 */
export function run(
  config: Config,
  readers: ConfigReaders,
  machine: Machine = thisMachine,
): Promise<number> {
  const onCrash = () => recordCrash(crashFile(config.node), uptime());
  const options = { name: "node", log: config.log, clock: machine.clock, onCrash };
  return runDaemon(options, (log, logs) => serve(config, readers, { ...machine, log, logs }));
}

/** What the parts of the node share. */
interface Surroundings extends Machine {
  readonly log: Log;
  readonly logs: LogRing;
}

async function serve(
  config: Config,
  readers: ConfigReaders,
  around: Surroundings,
): Promise<number> {
  const { clock, log } = around;
  const stop = stopRequested();
  const stopping = new AbortController();
  void stop.then(() => stopping.abort());
  // What is opened is closed in the opposite order, also where the next step fails.
  const house = new AsyncDisposableStack();
  let channels: readonly Channel[] = [];
  try {
    const starting = async () => {
      const ground = await open(config, around, stopping.signal, house);
      const node = await build(config, readers, { ...around, ...ground }, house);
      ({ channels } = node);
      await node.start(stopping.signal);
      return { ground, node };
    };
    const start = { stop, limitMs: stopTimeout, clock, log };
    const { ground, node } = await startInTime(starting(), start);
    const signal = await stop;
    log.info("stopping", { signal });
    if (node.begun) ground.notify.stopping();
  } finally {
    // Nothing is lost: what was not released is still in the module.
    const abandon = () => channels.forEach((channel) => void channel.abandon());
    await closeOrEnd(house, clock, stopTimeout, log, abandon);
  }
  log.info("stopped");
  return exit.ok;
}

/** A ledger that cannot be read is tried again for so long, ms. */
const ledgerWithinMs = 30_000;

/** Opens what a disk may have to be waited for. */
async function open(
  config: Config,
  { clock, random, files, log }: Surroundings,
  signal: AbortSignal,
  house: AsyncDisposableStack,
) {
  const waited = <T>(name: string, act: () => Promise<T>, withinMs?: number) =>
    retryUntilReady(
      {
        name,
        codes: ["state.io", "ledger.io"],
        schedule: () => backoff({ ...ledgerWaits, random }),
        clock,
        log,
        signal,
        ...(withinMs !== undefined && { withinMs }),
      },
      act,
    );
  const folder = config.node.state_dir;
  const beside = config.modules.map(({ name }) => ledgerPath(folder, name));
  const home = await waited("state", () => openStateDirectory(files, folder, beside));
  house.defer(() => home.release());
  const { state } = home;
  const { boot } = state.data;
  if (state.data.lost?.boot === boot) log.error(`state: ${lostGeneration(state)}`);
  log.info("starting", { id: config.node.id, version: softwareVersion, boot, pid: process.pid });
  const notify = systemdNotify({ clock, log, environment: process.env });
  house.defer(() => notify.told());
  const monitoring = await waited("outbox", () =>
    Monitoring.open(config, { state, clock, random, files, log }),
  );
  house.defer(() => monitoring.stop());
  const kms = await waited("KMs", () => Kms.open(config.modules, state, log));
  const progress = new Progress();
  const recording = {
    files,
    folder,
    state,
    options: ledgerOptions(config.ledger, progress, clock),
    modules: config.modules.map(({ name }) => name),
  };
  // The socket may be in a folder of a disk that hangs, and its file is removed in this thread: what waits for that disk
  // with a deadline is closed before it.
  const last = house.use(new AsyncDisposableStack());
  const ledgers = new Map<string, LedgerFile>();
  const untrustedLedgers = new Map<string, Fault>();
  house.defer(async () => {
    await Promise.all([...ledgers.values()].map((ledger) => ledger.close()));
  });
  for (const { name } of config.modules) {
    // The disk is there: the state was read from it. A ledger that stays unreadable holds up no other module.
    const opened = await waited(
      "ledger",
      () => openLedger(recording, name, log.child(name)).catch(untrusted),
      ledgerWithinMs,
    ).catch(unreadable);
    if (opened instanceof Fault) untrustedLedgers.set(name, opened);
    else ledgers.set(name, opened);
  }
  return { state, notify, monitoring, kms, progress, recording, ledgers, untrustedLedgers, last };
}

type Ground = Awaited<ReturnType<typeof open>> & Surroundings;

/** Makes all the parts, each with those below it; `start` sets them going. */
async function build(
  config: Config,
  { configure }: ConfigReaders,
  ground: Ground,
  house: AsyncDisposableStack,
) {
  const { clock, random, files, log, logs } = ground;
  const { state, notify, monitoring, kms, progress, recording, ledgers } = ground;
  const { boot } = state.data;
  const halt = new Halt();
  const panel = new Panel(config.panel, { state, halt, monitoring, clock, random, log });
  const { channels, closed } = createModules(config.modules, {
    ...ground,
    stateFolder: config.node.state_dir,
    halt,
    panel,
  });
  house.defer(async () => {
    await Promise.all(channels.map((channel) => channel.stop()));
  });
  const views = [...channels, ...closed];
  const page = config.web.enabled
    ? createPage(config, views, { monitoring, panel, boot, clock, random, log, logs })
    : undefined;
  house.defer(() => page?.stop());
  const server = config.server && createServer(config.server, config.node.id, channels, clock, log);
  house.defer(() => server?.close());
  house.defer(() => panel.stop());
  const telling = new Telling(config, {
    modules: views,
    ledgers,
    alarms: monitoring.watch,
    watchers: monitoring.watchers,
    clock,
    random,
    log,
  });
  house.defer(() => telling.stop());
  const users = { channels: [...channels, telling], server, page };
  const certificates = watchAll(config, users, clock, log);
  house.defer(() => certificates.stop());
  const reload = () => reloadCertificates(certificates, monitoring);
  process.on("SIGHUP", () => void reload().catch((error) => log.warn(describe(error))));
  const onEvent = (event: NodeEvent) => monitoring.event(event);
  const places = standardPlaces(process.env.RUNTIME_DIRECTORY);
  const updates = openUpdates(config, places, { clock, log, onEvent });
  const site = siteStatus(process.env);
  const image = readImage();
  const ports: MorePorts = {
    reloadCertificates: reload,
    clearTamper: (by: string) => panel.guard.clear(by),
    zeroize: (module: string) => panel.guard.zeroize(module),
    supportBundle: () => local.bundle(),
    ...keptBackPorts(channels, kms),
    ...(updates && { installUpdate: async (args, signed) => updates.begin(args, signed) }),
  };
  const local = createLocal({
    config,
    boot,
    modules: views,
    ledgers,
    monitoring,
    more: ports,
    updates,
    site,
    image,
    panel: () => panel.shown(),
    kmsTold: () => telling.told(),
    keyExchanges: server && (() => server.keyExchanges),
    // Seldom wanted, and much of the doctor with it.
    writeBundle: async (ask) => {
      const { bundleOfSelf } = await import("./bundle/self.ts");
      const load = () => configure(config.file);
      return bundleOfSelf(config, { ask, load, read: () => config, clock });
    },
    logs,
    clock,
    log,
  });
  ground.last.defer(() => local.close());

  const node = { channels, begun: false, start };
  return node;

  async function start(signal: AbortSignal): Promise<void> {
    const writes = { progress, clock, stateFolder: config.node.state_dir };
    monitoring.start(views, ledgerTroubles(ledgers, closed, writes), ports, panel.guard);
    await tellOfLedgers(recording, monitoring, clock, log);
    if (site?.provisioned === "unsigned") {
      const facts = { serial: site.serial };
      onEvent({ type: "configuration_unsigned", at: clock.wall(), facts });
    }
    if (site?.not_taken !== undefined) {
      onEvent({ type: "configuration_not_taken", at: clock.wall(), facts: site.not_taken });
    }
    monitoring.keyExchanges = () => keyExchanges(channels, server);
    monitoring.untold = () => telling.untold();
    panel.start(views, await tellOfSpools(recording, config.modules, monitoring, log));
    // Before the brake: a node that crashes again and again is the one that is asked for a bundle.
    await local.listen();
    await holdBack(monitoring, crashFile(config.node), clock, signal, log);
    // Told to stop meanwhile: nothing is begun that would be ended at once.
    if (!signal.aborted) {
      for (const channel of channels) channel.start();
      telling.start();
      await server?.listen();
      halt.watch((on) => on && server?.halt());
      notify.ready();
      node.begun = true;
    }
    const renewal = startRenewal(renewalTables(config), {
      ...{ clock, random, files },
      tell: (name, why) => monitoring.watch.renewal(name, why),
      // What cannot be read has been told of.
      onRenewed: () => void reload().catch((error) => log.warn(describe(error))),
      log: log.child("est"),
    });
    house.defer(() => renewal?.stop());
    const supervision = supervise({ progress, notify, clock, log });
    house.defer(() => supervision.cancel());
    const trimming = trimMemory(processMemory, clock, log.child("memory"));
    house.defer(() => trimming.cancel());
    const health = tellHealth(notify, clock, () => healthLine(views, monitoring.broker?.up));
    house.defer(() => health.cancel());
  }
}
