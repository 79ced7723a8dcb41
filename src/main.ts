/** The node, wired together: read this first. */
import { readFileSync } from "node:fs";
import { driverKinds } from "../drivers/index.ts";
import {
  type Config,
  type KmConfig,
  loadConfig,
  type ModuleConfig,
  readConfigFile,
  type ServerConfig,
} from "./config/load.ts";
import type { LedgerFile } from "./custody/ledger-file.ts";
import { ledgerPath, openLedger } from "./custody/ledgers.ts";
import type { Ledger } from "./custody/ports.ts";
import { spooled, spoolWhenNeeded } from "./custody/spooled.ts";
import { exit } from "./exit-codes.ts";
import type { KmEndpoint } from "./kq1/connect.ts";
import { type CredentialFiles, readCredentials } from "./kq1/credentials.ts";
import { KeyServer } from "./kq1/https-server.ts";
import {
  type CertificateWatch,
  type Watched,
  watchCertificates,
} from "./lifecycle/certificates.ts";
import { Channel } from "./lifecycle/channel.ts";
import { ClosedModule } from "./lifecycle/closed.ts";
import { brake, crashesIn, crashReport, recordCrash, uptime } from "./lifecycle/crashes.ts";
import { insist } from "./lifecycle/insist.ts";
import { systemdNotify } from "./lifecycle/notify.ts";
import { Progress } from "./lifecycle/progress.ts";
import { backoff } from "./lifecycle/retry.ts";
import { stopRequested } from "./lifecycle/signals.ts";
import { supervise } from "./lifecycle/supervisor.ts";
import { ledgerWaits } from "./lifecycle/waits.ts";
import { openLocal } from "./local/local.ts";
import { LogRing } from "./local/log-ring.ts";
import { Oversight } from "./oversight.ts";
import { delay, systemClock, within } from "./port/clock.ts";
import { describe, errorCode, Fault } from "./port/errors.ts";
import { createLog, type Log, silentLog } from "./port/log.ts";
import type { ModuleDriver } from "./port/module.ts";
import { diskFiles } from "./state/files.ts";
import { openHome } from "./state/home.ts";
import { updatePorts } from "./update/appliance.ts";
import { healthLine, tellHealth } from "./update/health.ts";
import { softwareVersion } from "./version.ts";
import type { LinkView } from "./web/view.ts";
import { kmFacts, Page } from "./web/web.ts";

const clock = systemClock;
const random = Math.random;

/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;

/** Reads and checks a configuration. @throws ConfigError */
export function configure(file: string): Config {
  return loadConfig(file, driverKinds);
}

/** The same, whether the files that it names can be read or not. @throws ConfigError */
export function readConfig(file: string): Config {
  return readConfigFile(file, driverKinds);
}

/** A driver for what a person named to `probe`, without a configuration. */
export function driverFor(device: string, baud: number): ModuleDriver | undefined {
  for (const kind of driverKinds) {
    const options = kind.recognise?.(device, baud);
    if (options !== undefined) return kind.create(options, { clock, log: silentLog });
  }
  return undefined;
}

/**
 * Runs the node until it is told to stop.
 * @returns an exit code
 */
export async function run(config: Config): Promise<number> {
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const logs = new LogRing();
  const write = (line: string) => {
    logs.add(line);
    process.stderr.write(`${line}\n`);
  };
  // Whoever reads the log may go away; the keys go on.
  process.stderr.on("error", () => {});
  const log = createLog(write, config.log.level, stamp).child("node");
  process.on("uncaughtException", (error) => {
    log.error("crash", { error: crashReport(error) });
    recordCrash(crashFile(config), uptime());
    process.exit(exit.software);
  });
  try {
    return await serve(config, log, logs);
  } catch (error) {
    if (error instanceof Fault && error.code === "stopped") return exit.ok;
    log.error(describe(error));
    return error instanceof Fault ? exit.io : exit.software;
  }
}

async function serve(config: Config, log: Log, logs: LogRing): Promise<number> {
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
  const home = await insist({ ...opening, name: "state" }, () =>
    openHome(diskFiles, folder, beside),
  );
  const { state } = home;
  const { boot } = state.data;
  log.info("starting", { id: config.node.id, version: softwareVersion, boot, pid: process.pid });

  const oversight = await insist({ ...opening, name: "outbox" }, () =>
    Oversight.open(config, { state, clock, random, log }),
  );
  const progress = new Progress();
  const channels: Channel[] = [];
  const closed: ClosedModule[] = [];
  const ledgers = new Map<string, LedgerFile>();
  const recording = { files: diskFiles, folder, state, options: ledgerOptions(config, progress) };
  for (const module of config.modules) {
    const channelLog = log.child(module.name);
    const opened = await insist({ ...opening, name: "ledger" }, () =>
      openLedger(recording, module.name, channelLog).catch(untrusted),
    );
    if (opened instanceof Fault) {
      channelLog.error(`module is not served: ${describe(opened)}`);
      closed.push(closedModule(module, opened));
      continue;
    }
    ledgers.set(module.name, opened);
    channels.push(createChannel(module, folder, opened, oversight, progress, channelLog));
  }
  const server = config.server && createServer(config.server, config.node.id, channels, log);
  const views = [...channels, ...closed];
  const page = config.web.enabled ? createPage(config, views, oversight, boot, log) : undefined;
  const certificates = watchAll(config, channels, server, page, log);
  const reload = () => reloadCertificates(certificates, oversight);
  process.on("SIGHUP", () => void reload().catch((error) => log.warn(describe(error))));
  const ports = {
    reloadCertificates: reload,
    ...updatePorts(config, { clock, log, onEvent: (event) => oversight.event(event) }),
  };
  oversight.start(
    views,
    new Map<string, Pick<Ledger, "failure">>([
      ...ledgers,
      ...closed.map((one) => [one.name, one] as const),
    ]),
    ports,
  );
  await holdBack(oversight, crashFile(config), stopping.signal, log);
  for (const channel of channels) channel.start();
  await server?.listen();
  const notify = systemdNotify({ clock, log, environment: process.env });
  notify.ready();
  const supervision = supervise({ progress, notify, clock, log });
  const health = tellHealth(notify, clock, () => healthLine(views, oversight.broker?.up));
  const local = await openLocal({
    config,
    boot,
    modules: views,
    ledgers,
    oversight,
    ports,
    load: () => configure(config.file),
    logs,
    clock,
    log,
  });

  const signal = await stop;
  log.info("stopping", { signal });
  notify.stopping();
  certificates.stop();
  supervision.cancel();
  health.cancel();
  await local.close();
  const orderly = async () => {
    await server?.close();
    await page?.stop();
    await Promise.all(channels.map((channel) => channel.stop()));
    await Promise.all([...ledgers.values()].map((ledger) => ledger.close()));
    await oversight.stop();
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

function crashFile({ node }: Config): string {
  return `${node.state_dir}/crashes`;
}

/** A node that crashed again and again begins later, and says so first. */
async function holdBack(
  oversight: Oversight,
  file: string,
  signal: AbortSignal,
  log: Log,
): Promise<void> {
  const now = uptime();
  const crashes = crashesIn(file);
  const ms = now === undefined ? 0 : brake(crashes, now);
  if (ms === 0) return;
  log.error("crashed again and again: waiting", { ms });
  oversight.watch.crashed(crashes.length);
  await delay(clock, ms, signal);
}

function ledgerOptions({ ledger }: Config, progress: Progress) {
  const { group_records, group_delay_s, reserve_bytes } = ledger;
  return {
    groupRecords: group_records,
    groupDelayMs: group_delay_s,
    reserveBytes: reserve_bytes,
    clock,
    task: progress.beginner(clock),
  };
}

/** A ledger that can't be trusted closes its module, not the node. @throws what time may mend */
function untrusted(error: unknown): Fault {
  const closes = ["ledger.corrupt", "ledger.missing", "state.owner"];
  if (error instanceof Fault && closes.includes(error.code)) return error;
  throw error;
}

function closedModule({ name, driver, kms }: ModuleConfig, failure: Fault): ClosedModule {
  const { kind, where } = driver.create({ clock, log: silentLog });
  const km = kms.map((one) => one.name).join(", ");
  return new ClosedModule({ name, driver: kind, where, km }, failure, clock);
}

/** A module's driver, behind its spool where one is configured. */
function driverOf({ name, driver, spool }: ModuleConfig, folder: string, log: Log): ModuleDriver {
  const bare = driver.create({ clock, log });
  if (spool === undefined) return bare;
  const { key, max_bytes: maxBytes } = spool;
  const options = { files: diskFiles, folder: `${folder}/spool-${name}`, maxBytes };
  const open = spoolWhenNeeded(options, () => readSecret(key));
  return spooled(bare, open, log.child("spool"));
}

/** @throws Fault `state.io` */
function readSecret(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new Fault("state.io", "cannot read the spool's key", {
      file,
      code: errorCode(error) ?? "unknown",
    });
  }
}

function createChannel(
  module: ModuleConfig,
  folder: string,
  ledger: LedgerFile,
  oversight: Oversight,
  progress: Progress,
  log: Log,
): Channel {
  return new Channel(
    {
      name: module.name,
      moduleId: module.module_id,
      matchingModuleId: module.matching_module_id,
      qberLimit: module.qber_limit,
      keyBits: module.key_bits,
      onRequest: module.mode === "on_request",
      maxHeldBlocks: module.max_held_blocks,
      maxHeldBytes: module.max_held_bytes,
      kms: module.kms.map((km) => ({
        name: km.name,
        serverName: km.server_name ?? km.host,
        endpoint: () => endpoint(km),
        https: km.transport === "https" ? km : undefined,
        window: km.window,
        answerTimeoutMs: km.answer_timeout_s,
      })),
    },
    {
      driver: driverOf(module, folder, log),
      ledger,
      clock,
      log,
      random,
      progress,
      onEvent: (event) => oversight.event(event),
      onState: (name) => oversight.stateChanged(name),
      onTelemetry: (name, sample) => oversight.telemetry(name, sample),
      onLink: (name, km, down) => oversight.link(name, km, down),
    },
  );
}

function createServer(
  server: ServerConfig,
  nodeId: string,
  channels: readonly Channel[],
  log: Log,
): KeyServer {
  return new KeyServer({
    host: server.host,
    port: server.port,
    tls: readCredentials(server),
    modules: () => channels.flatMap((channel) => channel.access() ?? []),
    nodeId,
    log: log.child("server"),
  });
}

function createPage(
  config: Config,
  modules: readonly LinkView[],
  oversight: Oversight,
  boot: number,
  log: Log,
): Page {
  const facts = config.modules.map(({ name, mode, qber_limit, kms }) => {
    return { name, mode, qberLimit: qber_limit, kms: kms.map(kmFacts) };
  });
  const page = new Page(config.web, {
    node: {
      id: config.node.id,
      version: softwareVersion,
      boot,
      configuration: config.digest,
      started: clock.wall(),
      modules,
      facts,
      alarms: oversight.watch,
      history: oversight.history,
      recorder: oversight.recorder,
      broker: () => oversight.broker,
    },
    clock,
    random,
    log: log.child("web"),
  });
  oversight.onChange = () => page.poke();
  return page;
}

/** The certificates are read each time: they may have been renewed. @throws Fault `kq1.connect` */
function endpoint(km: KmConfig): KmEndpoint {
  const files = credentialFiles(km);
  const tls = files && readCredentials(files);
  return {
    host: km.host,
    port: km.port,
    serverName: km.server_name ?? km.host,
    tls,
    connectTimeoutMs: km.connect_timeout_s,
  };
}

/** Looks at every certificate once a minute, and when told to. */
function watchAll(
  config: Config,
  channels: readonly Channel[],
  server: KeyServer | undefined,
  page: Page | undefined,
  log: Log,
): CertificateWatch {
  const kms = new Set(config.modules.flatMap((module) => module.kms));
  const watched: Watched[] = [...kms].flatMap((km) => {
    const files = credentialFiles(km);
    const onChange = () => {
      for (const channel of channels) channel.renewed(km.name);
    };
    return files === undefined ? [] : [{ name: `km.${km.name}`, files, onChange }];
  });
  const files = config.server;
  if (files !== undefined) {
    const onChange = () => server?.renew(readCredentials(files));
    watched.push({ name: "server", files, onChange });
  }
  const { cert, key, enabled } = config.web;
  if (enabled && cert !== undefined && key !== undefined) {
    watched.push({ name: "web", files: { ca: cert, cert, key }, onChange: () => page?.renew() });
  }
  return watchCertificates(watched, clock, log, ({ type, facts }) => log.warn(type, facts));
}

/** Takes renewed certificates now. @throws Fault `config.file`: some cannot be read */
async function reloadCertificates(watch: CertificateWatch, oversight: Oversight): Promise<void> {
  const unreadable = [...watch.look()];
  if (oversight.renewed() !== undefined) unreadable.push("manager");
  if (unreadable.length === 0) return;
  throw new Fault("config.file", "certificates cannot be read", { for: unreadable.join(", ") });
}

function credentialFiles({ ca, cert, key, crl }: KmConfig): CredentialFiles | undefined {
  if (ca === undefined || cert === undefined || key === undefined) return undefined;
  return { ca, cert, key, crl };
}
