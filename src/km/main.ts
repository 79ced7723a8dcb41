/** The key manager, wired together: read this first. */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { every, systemClock } from "../base/clock.ts";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import { createLog, type Log } from "../base/log.ts";
import { softwareVersion } from "../base/version.ts";
import { diskFiles } from "../host/disk/files.ts";
import { lockFolder } from "../host/disk/lock.ts";
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
import { createKmLocal } from "./local/local.ts";
import type { KmStatus } from "./model/status.ts";
import { Supplies } from "./wiring/intake.ts";
import { LinkOfKm } from "./wiring/links.ts";
import { readTexts } from "./wiring/texts.ts";

/** How often alarms are looked at, ms. */
const lookMs = 1_000;

/** Runs the key manager until it is told to stop. @returns an exit code */
export async function run(config: KmConfig): Promise<number> {
  const clock = systemClock;
  const stamp = config.log.timestamps ? () => new Date(clock.wall()).toISOString() : undefined;
  const logs = new LogRing();
  const write = (line: string) => {
    logs.add(line);
    process.stderr.write(`${line}\n`);
  };
  process.stderr.on("error", () => {});
  const log = createLog(write, config.log.level, stamp).child("km");
  try {
    return await serve(config, log, logs);
  } catch (error) {
    if (error instanceof Fault && error.code === "stopped") return exit.ok;
    log.error(describe(error));
    return error instanceof Fault ? exit.io : exit.software;
  }
}

async function serve(config: KmConfig, log: Log, logs: LogRing): Promise<number> {
  const clock = systemClock;
  const notify = systemdNotify({ clock, log, environment: process.env });
  const begun = clock.now();
  // Whatever was opened is closed at the end, in the order of a stack: also where a start fails midway.
  await using stack = new AsyncDisposableStack();
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
  for (const { link, number } of damage.extents) {
    log.error("stock is missing: lost", { link, extent: number });
  }

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
      conflict: (module) => alarms.conflict(module, moment()),
    },
    stockOf: (module) => byModule.get(module)?.bytes ?? 0,
    clock,
    log: log.child("kq1"),
    onFailure,
  });
  stack.defer(() => supplies.close());

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
      left: (module, ids) => supplies.intake.module(module)?.left(ids),
      told: (name, event) => alarms.told(name, event, moment()),
      onFailure,
    });
    for (const module of config.modules) {
      if (module.link === link.name) byModule.set(module.name, one);
    }
    return one;
  });
  await supplies.intake.load(loaded.buffered);

  const status = (): KmStatus =>
    kmStatus(config, supplies, links, store, clock.now() - begun, alarmStatus(alarms));
  const looking = every(clock, lookMs, () => alarms.look(status(), moment()));
  stack.defer(() => looking.cancel());
  const local = createKmLocal(config, { status, logs, clock, log });
  if (local !== undefined) {
    await local.listen();
    stack.defer(() => local.close());
  }

  if (kx?.port !== undefined) {
    const { host, port } = kx;
    const door = new KxDoor({
      host,
      port,
      tls: tls(),
      links: () => links.map(({ way }) => way),
      log: log.child("kx"),
      clock,
    });
    log.info("KM links", { host, port: await door.listen() });
    stack.defer(() => door.close());
  }
  for (const link of links) {
    link.start();
    stack.defer(() => link.stop());
  }
  await supplies.listen();
  stack.defer(() => supplies.closeServers());

  const watched = supervise({ progress: new Progress(), notify, clock, log });
  stack.defer(() => watched.cancel());
  log.info("running", { version: softwareVersion, km: config.km.id });
  notify.ready();
  const signal = await Promise.race([stopRequested(), failed.promise]);
  log.info("stopping", { signal });
  notify.stopping();
  return exit.ok;
}

/** 32 bytes or more: raw, or in hexadecimal or base64 with a line end. */
function readMasterKey(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch {
    throw new Fault("km_store.key", "the master key cannot be read", { file });
  }
}

function kmStatus(
  config: KmConfig,
  { intake, connections }: Supplies,
  links: readonly LinkOfKm[],
  store: Awaited<ReturnType<typeof openEngine>>["store"],
  uptimeMs: number,
  alarms: KmStatus["alarms"],
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
    alarms,
  };
}
