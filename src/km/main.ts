/** The key manager, wired together: read this first. */
import { randomBytes } from "node:crypto";
import { systemClock } from "../base/clock.ts";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { createLog, type Log } from "../base/log.ts";
import { softwareVersion } from "../base/version.ts";
import { readNamed } from "../host/config/named-file.ts";
import { diskFiles } from "../host/disk/files.ts";
import { lockFolder } from "../host/disk/lock.ts";
import { crashReport } from "../host/life/crashes.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { stopRequested } from "../host/life/signals.ts";
import { supervise } from "../host/life/supervisor.ts";
import { LogRing } from "../ops/local/log-ring.ts";
import { KmAlarms } from "./alarms/rules.ts";
import { alarmStatus } from "./alarms/told.ts";
import type { KmConfig } from "./config/load.ts";
import { openEngine } from "./io/engine/open.ts";
import type { KxIdentity } from "./io/kx-dial.ts";
import { KxDoor } from "./io/kx-door.ts";
import { readMasterKey } from "./io/master-key.ts";
import { createKmLocal } from "./local/local.ts";
import type { KmStatus } from "./model/status.ts";
import { watchCredentials } from "./wiring/credentials.ts";
import { Supplies } from "./wiring/intake.ts";
import { LinkOfKm } from "./wiring/links.ts";
import { watchProgress } from "./wiring/progress.ts";
import { KmRecords } from "./wiring/records.ts";
import { kmStatus } from "./wiring/status.ts";
import { readTexts } from "./wiring/texts.ts";

const clock = systemClock;
/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;
/** How often alarms are looked at, ms. */
const lookMs = 1_000;

/** Runs the key manager until it is told to stop. @returns an exit code */
export async function run(config: KmConfig): Promise<number> {
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const logs = new LogRing();
  const write = (line: string) => {
    logs.add(line);
    process.stderr.write(`${line}\n`);
  };
  // The reader of the log may end; the keys go on.
  process.stderr.on("error", () => {});
  const log = createLog(write, config.log.level, stamp).child("km");
  process.on("uncaughtException", (error) => {
    log.error("crash", { error: crashReport(error) });
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

async function serve(config: KmConfig, log: Log, logs: LogRing): Promise<number> {
  const stop = stopRequested();
  // What is opened is closed in the opposite order, also where the next step fails.
  const house = new AsyncDisposableStack();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  const onFailure = (error: unknown) => failed.reject(error);

  await diskFiles.makeFolder(config.km.state_dir);
  const lock = await lockFolder(config.km.state_dir);
  stack.defer(() => lock.release());

  const masterKey = readMasterKey(config.store.master_key_file);
  const { store, loaded, damage, idKey } = await openEngine({
    folder: `${config.km.state_dir}/store`,
    masterKey,
    limitBytes: config.store.limit_mb * 1_000_000,
    wipeAfterMs: config.store.wipe_after_s,
    clock,
    onFailure,
  }).finally(() => masterKey.fill(0));
  stack.defer(() => store.close());
  for (const segment of damage.segments) log.error("keys that came are damaged: lost", { segment });
  if (damage.groups > 0) log.error("keys that came are damaged: lost", { groups: damage.groups });
  for (const { link, number } of damage.extents) {
    log.error("stock is missing: lost", { link, extent: number });
  }
  log.info("stopped");
  return exit.ok;
}

interface Surroundings {
  readonly log: Log;
  readonly logs: LogRing;
  /** A part can't go on: the process ends. */
  readonly onFailure: (error: unknown) => void;
}

/** Opens and begins everything. @throws Fault */
async function start(
  config: KmConfig,
  { log, logs, onFailure }: Surroundings,
  house: AsyncDisposableStack,
) {
  const notify = systemdNotify({ clock, log, environment: process.env });
  house.defer(() => notify.told());
  const begun = clock.now();
  const { store, loaded, idKey, damage, records } = await openStore(
    config,
    { log, onFailure },
    house,
  );
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  const alarms = new KmAlarms({
    plain: config.kq1?.plain === true,
    onTransition: ({ id, severity, detail }, change) => {
      log
        .child("alarms")
        .warn(`alarm ${change}`, { alarm: id, severity, ...(detail && { detail }) });
    },
  });
  const lost = damage.segments.length + damage.extents.length;
  if (lost > 0) alarms.damaged(`${lost} ${lost === 1 ? "part" : "parts"}`, moment());
  const byModule = new Map<string, LinkOfKm>();
  const supplies = await Supplies.open({
    config,
    store,
    idKey,
    events: {
      stored: (keys) => {
        for (const [module, of] of Map.groupBy(keys, (key) => key.module)) {
          byModule.get(module)?.stored(of);
        }
      },
      keepOut: (module, id) => byModule.get(module)?.core.keepOut(id) ?? false,
      conflict: (module, id) => {
        records.conflict(module, id);
        alarms.conflict(module, moment());
      },
    },
    stockOf: (module) => byModule.get(module)?.bytes ?? 0,
    clock,
    log: log.child("kq1"),
    onFailure,
  });
  house.defer(() => supplies.close());

  const progress = new Progress();
  const incarnation = randomBytes(16);
  const { kx } = config;
  const tls = () => readTexts(kx ?? {}) as KxIdentity;
  const links = config.links.map((link) => {
    const one = new LinkOfKm({
      me: config.km.id,
      config: link,
      modules: config.modules,
      store,
      loaded,
      incarnation,
      tls,
      clock,
      log: log.child(`link.${link.name}`),
      task: progress.beginner(clock),
      left: (module, ids) => supplies.intake.module(module)?.left(ids),
      told: (name, event) => {
        records.tell(name, event);
        alarms.told(name, event, moment());
      },
      onFailure,
    });
    records.attach(link, one.core);
    for (const module of config.modules) {
      if (module.link === link.name) byModule.set(module.name, one);
    }
    return one;
  });
  await supplies.intake.load(loaded.buffered);

  const status = (): KmStatus =>
    kmStatus(config, supplies, links, store, clock.now() - begun, alarmStatus(alarms));
  const looking = every(clock, lookMs, () => alarms.look(status(), moment()));
  house.defer(() => looking.cancel());
  const local = createKmLocal(config, { status, records, logs, clock, log });
  await local.listen();
  house.defer(() => local.close());

  let door: KxDoor | undefined;
  if (kx?.port !== undefined) {
    const { host, port } = kx;
    const ways = () => links.map(({ way }) => way);
    const opened = new KxDoor({ host, port, tls: tls(), links: ways, log: log.child("kx"), clock });
    log.info("KM links", { host, port: await opened.listen() });
    house.defer(() => opened.close());
    door = opened;
  }
  for (const link of links) {
    link.start();
    house.defer(() => link.stop());
  }
  await supplies.listen();
  house.defer(() => supplies.closeServers());

  const ways = links.map(({ way }) => way);
  const users = { supplies, door, ways, kxIdentity: tls };
  const certificates = watchCredentials(config, users, clock, log);
  house.defer(() => certificates.stop());
  process.on("SIGHUP", () => {
    const unreadable = certificates.look().join(", ");
    if (unreadable !== "") log.warn("certificates cannot be read", { for: unreadable });
  });
  const asking = watchProgress(progress, supplies.intake, store, clock);
  house.defer(() => asking.cancel());
  const watched = supervise({ progress, notify, clock, log });
  house.defer(() => watched.cancel());
  log.info("running", { version: softwareVersion, km: config.km.id });
  notify.ready();
  return notify;
}

function kmStatus(
  config: KmConfig,
  { intake, connections }: Supplies,
  links: readonly LinkOfKm[],
  store: Awaited<ReturnType<typeof openEngine>>["store"],
  uptimeMs: number,
): KmStatus {
  const use = store.use();
  return {
    km_id: config.km.id,
    version: softwareVersion,
    uptime_s: Math.floor(uptimeMs / 1_000),
    store: {
      buffered_keys: use.bufferedKeys,
      buffered_bits: use.bufferedBytes * 8,
      stock_bits: use.extentBytes * 8,
      disk_bytes: use.diskBytes,
      limit_bytes: use.limitBytes,
      full: store.full() !== undefined,
    },
    nodes_connected: connections,
    refused: intake.refused,
    links: links.map((link) => link.status()),
    modules: config.modules.map(({ name, module_id, matching_module_id, link }) => {
      const counts = intake.module(name)?.counts;
      return {
        name,
        module_id,
        matching_module_id,
        link,
        received_keys: counts?.keys ?? 0,
        received_bits: counts?.bits ?? 0,
        repeats: (counts?.repeats ?? 0) + (counts?.repeatsOfGone ?? 0),
        conflicts: counts?.conflicts ?? 0,
      };
    }),
  };
}
