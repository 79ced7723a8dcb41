/** The node, wired together: read this first. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { driverKinds } from "../drivers/index.ts";
import { qmlp } from "../drivers/qmlp/kind.ts";
import { type Config, type KmConfig, loadConfig, type ModuleConfig } from "./config/load.ts";
import { LedgerFile } from "./custody/ledger-file.ts";
import { exit } from "./exit-codes.ts";
import type { KmEndpoint } from "./kq1/connect.ts";
import { Channel } from "./lifecycle/channel.ts";
import { stopRequested } from "./lifecycle/signals.ts";
import { Oversight } from "./oversight.ts";
import { systemClock, within } from "./port/clock.ts";
import { describe, Fault } from "./port/errors.ts";
import { createLog, type Log, silentLog } from "./port/log.ts";
import type { ModuleDriver } from "./port/module.ts";
import { diskFiles } from "./state/files.ts";
import { openState } from "./state/state.ts";
import { StateStore } from "./state/store.ts";
import { softwareVersion } from "./version.ts";

const clock = systemClock;
const random = Math.random;

/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;

/** Reads and checks a configuration. @throws ConfigError */
export function configure(file: string): Config {
  return loadConfig(file, driverKinds);
}

/** The driver for a QMLP module on a serial port, without a configuration; for `probe`. */
export function serialModule(path: string, baud: number): ModuleDriver {
  return qmlp.create({ path: resolve(path), baud, rtscts: false }, { clock, log: silentLog });
}

/**
 * Runs the node until it is told to stop.
 * @returns an exit code
 */
export async function run(config: Config): Promise<number> {
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const write = (line: string) => process.stderr.write(`${line}\n`);
  // Whoever reads the log may go away; the keys go on.
  process.stderr.on("error", () => {});
  const log = createLog(write, config.log.level, stamp).child("node");
  // Timers do not keep a process alive; a node that waits for its module and its KM must live on.
  const alive = setInterval(() => {}, 60_000);
  try {
    return await serve(config, log);
  } catch (error) {
    log.error(describe(error));
    return error instanceof Fault ? exit.io : exit.software;
  } finally {
    clearInterval(alive);
  }
}

async function serve(config: Config, log: Log): Promise<number> {
  const folder = config.node.state_dir;
  const state = await openState(diskFiles, folder);
  const boot = state.data.boot;
  log.info("starting", { id: config.node.id, version: softwareVersion, boot, pid: process.pid });

  const store = new StateStore(state);
  const oversight = await Oversight.open(config, { state: store, clock, random, log });
  const channels: Channel[] = [];
  const ledgers = new Map<string, LedgerFile>();
  for (const module of config.modules) {
    const channelLog = log.child(module.name);
    const ledger = await LedgerFile.open(diskFiles, `${folder}/ledger-${module.name}`, channelLog);
    ledgers.set(module.name, ledger);
    channels.push(createChannel(module, ledger, oversight, channelLog));
  }
  oversight.start(channels, ledgers);
  for (const channel of channels) channel.start();

  const signal = await stopRequested();
  log.info("stopping", { signal });
  const orderly = async () => {
    await Promise.all(channels.map((channel) => channel.stop()));
    await Promise.all([...ledgers.values()].map((ledger) => ledger.close()));
    await oversight.stop();
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

function createChannel(
  module: ModuleConfig,
  ledger: LedgerFile,
  oversight: Oversight,
  log: Log,
): Channel {
  return new Channel(
    {
      name: module.name,
      moduleId: module.module_id,
      matchingModuleId: module.matching_module_id,
      qberLimit: module.qber_limit,
      keyBits: module.key_bits,
      maxHeldBlocks: module.max_held_blocks,
      maxHeldBytes: module.max_held_bytes,
      km: endpoint(module.km),
      kmName: module.km.name,
      window: module.km.window,
      answerTimeoutMs: module.km.answer_timeout_s,
    },
    {
      driver: module.driver.create({ clock, log }),
      ledger,
      clock,
      log,
      random,
      onEvent: (event) => oversight.event(event),
      onState: (name) => oversight.stateChanged(name),
      onTelemetry: (name, sample) => oversight.watch.telemetry(name, sample),
      onLink: (name, side, down) => oversight.watch.link(name, side, down),
    },
  );
}

function endpoint(km: KmConfig): KmEndpoint {
  const { ca, cert, key } = km;
  const tls =
    ca === undefined || cert === undefined || key === undefined
      ? undefined
      : { ca: readText(ca), cert: readText(cert), key: readText(key) };
  return {
    host: km.host,
    port: km.port,
    serverName: km.server_name ?? km.host,
    tls,
    connectTimeoutMs: km.connect_timeout_s,
  };
}

function readText(file: string): string {
  return readFileSync(file, "utf8");
}
