/** The key manager, wired together: read this first. */
import { randomBytes } from "node:crypto";
import { every, systemClock, within } from "../base/clock.ts";
import { describe, Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import type { Log } from "../base/log.ts";
import { softwareVersion } from "../base/version.ts";
import { diskFiles } from "../host/disk/files.ts";
import { lockFolder } from "../host/disk/lock.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { stopRequested } from "../host/life/signals.ts";
import { supervise } from "../host/life/supervisor.ts";
import { thisMachine } from "../host/machine.ts";
import { runDaemon } from "../ops/daemon/run.ts";
import type { LogRing } from "../ops/local/log-ring.ts";
import { alarmStatus } from "./alarms/told.ts";
import { type KmConfig, loadKmConfig, readKmConfig } from "./config/load.ts";
import { openEngine } from "./io/engine/open.ts";
import type { KxIdentity } from "./io/kx-dial.ts";
import { KxDoor } from "./io/kx-door.ts";
import { openMasterKey } from "./io/master-key-source.ts";
import { createKmLocal } from "./local/local.ts";
import type { KmStatus } from "./model/status.ts";
import { Applications, KeyDelivery, rereadApplications } from "./wiring/applications.ts";
import { reloadCertificates, watchCredentials } from "./wiring/credentials.ts";
import { Supplies } from "./wiring/intake.ts";
import { LinkOfKm } from "./wiring/links.ts";
import { Management } from "./wiring/management.ts";
import { watchProgress } from "./wiring/progress.ts";
import { KmRecords } from "./wiring/records.ts";
import { MasterKeyOfStore } from "./wiring/rekey.ts";
import { Relays } from "./wiring/relays.ts";
import { SkipDelivery } from "./wiring/skip.ts";
import { kmStatus } from "./wiring/status.ts";
import { readTexts } from "./wiring/texts.ts";
import { Watch } from "./wiring/watch.ts";

const clock = systemClock;
/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;
/** How often alarms are looked at, ms. */
const lookMs = 1_000;

/** Runs the key manager until it is told to stop. @returns an exit code */
export function run(config: KmConfig): Promise<number> {
  // Tokens lock after some wrong PINs: this one is for a person, and not for a restart.
  const exitOf = ({ code }: Fault) => (code === "hsm.pin" ? exit.config : exit.io);
  return runDaemon({ name: "km", log: config.log, clock, exitOf }, (log, logs) =>
    serve(config, log, logs),
  );
}

async function serve(config: KmConfig, log: Log, logs: LogRing): Promise<number> {
  const stop = stopRequested();
  // What is opened is closed in the opposite order, also where the next step fails.
  const house = new AsyncDisposableStack();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  log.info("starting", { id: config.km.id, version: softwareVersion, pid: process.pid });
  try {
    const notify = await start(config, { log, logs, onFailure: failed.reject }, house);
    const signal = await Promise.race([stop, failed.promise]);
    log.info("stopping", { signal });
    notify.stopping();
  } finally {
    await close(house, log);
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
  const watch = new Watch({ config, logs, clock, log: log.child("web") });
  const local = createKmLocal(config, { ...watch.local, logs, clock, log });
  // Before the store: one that does not open is what a support bundle is wanted of.
  const locked = async () => {
    await local.server.listen();
    house.defer(() => local.server.close());
  };
  const { store, loaded, idKey, damage, records, masterKey } = await openStore(
    config,
    { log, onFailure },
    house,
    locked,
  );
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  const management = await Management.open(config, {
    ...thisMachine,
    records,
    onTransition: (transition) => watch.alarm(transition),
    log,
  });
  house.defer(() => management.stop());
  const { alarms, tally } = management;
  const lost = damage.segments.length + damage.groups + damage.extents.length;
  if (lost > 0) alarms.damaged(`${lost} ${lost === 1 ? "part" : "parts"}`, moment());
  const byModule = new Map<string, LinkOfKm>();
  const supplies = await Supplies.open({
    config,
    store,
    idKey,
    events: {
      stored: (keys) => {
        byModule.get(keys.module)?.stored(keys);
        tally.received(keys.module, clock.wall());
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
  const applications = new Applications(config);
  const links = config.links.map((link) => {
    const one = new LinkOfKm({
      me: config.km.id,
      config: link,
      modules: config.modules,
      store,
      loaded,
      incarnation,
      tls,
      applications: () => applications.table,
      clock,
      log: log.child(`link.${link.name}`),
      task: progress.beginner(clock),
      left: (module, ids) => supplies.intake.module(module)?.left(ids),
      told: (name, event) => {
        records.tell(name, event);
        tally.told(name, event);
        alarms.told(name, event, moment());
        watch.link(name, event);
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
  const relays = new Relays({
    me: config.km.id,
    config: config.relay,
    links,
    store,
    clock,
    log: log.child("relay"),
    onFailure,
  });

  const delivery = KeyDelivery.make({
    config,
    applications,
    links,
    more: (link) => relays.demandOf(link),
    store,
    clock,
    log: log.child("etsi014"),
  });
  const status = (): KmStatus =>
    watch.judged(
      kmStatus(
        config,
        supplies,
        links,
        store,
        masterKey.status(),
        clock.now() - begun,
        alarmStatus(alarms),
        delivery?.keys.counts,
        relays.status(),
      ),
    );
  const looking = every(clock, lookMs, () => {
    const told = status();
    management.look(told);
    watch.look(told, moment());
  });
  house.defer(() => looking.cancel());
  local.serve({
    status,
    records,
    rekey: (by) => masterKey.rekey(by),
    relay: (...order) => relays.order(...order),
    acknowledge: (alarm, by) => management.acknowledge(alarm, by),
  });
  watch.open(status, () => alarms.records());
  house.defer(() => watch.close());

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
  relays.start();
  house.defer(() => relays.stop());
  await delivery?.listen();
  house.defer(() => delivery?.close());
  const skip =
    delivery &&
    SkipDelivery.make({
      config,
      applications,
      keys: delivery.keys,
      store,
      clock,
      log: log.child("skip"),
    });
  await skip?.listen();
  house.defer(() => skip?.close());
  await supplies.listen();
  house.defer(() => supplies.closeServers());

  const ways = links.map(({ way }) => way);
  const users = { supplies, delivery, door, ways, page: watch, kxIdentity: tls };
  const certificates = watchCredentials(config, users, clock, log);
  house.defer(() => certificates.stop());
  const reload = () => reloadCertificates(certificates, management);
  process.on("SIGHUP", () => {
    const unreadable = reload().join(", ");
    if (unreadable !== "") log.warn("certificates cannot be read", { for: unreadable });
    rereadApplications(() => readKmConfig(config.file).applications, applications, links, log);
    skip?.look();
  });
  const bundle = async () => {
    // Seldom wanted, and much of the doctor with it.
    const { bundleOfSelf } = await import("./bundle/self.ts");
    const load = () => loadKmConfig(config.file);
    return bundleOfSelf(config, { ask: local.ask, load, read: () => config, clock });
  };
  management.start({ status, links, reload, bundle });
  const asking = watchProgress(progress, supplies.intake, store, clock);
  house.defer(() => asking.cancel());
  const watched = supervise({ progress, notify, clock, log });
  house.defer(() => watched.cancel());
  log.info("running", { version: softwareVersion, km: config.km.id });
  notify.ready();
  return notify;
}

/** The folder is this process's alone (`locked` is called then), and the store in it is open. @throws Fault */
async function openStore(
  config: KmConfig,
  { log, onFailure }: Pick<Surroundings, "log" | "onFailure">,
  house: AsyncDisposableStack,
  locked: () => Promise<void>,
) {
  const { km, store } = config;
  const { limit_mb, wipe_after } = store;
  await diskFiles.makeFolder(km.state_dir);
  const lock = await lockFolder(km.state_dir);
  house.defer(() => lock.release());
  await locked();
  // Before the store, so that they are closed after it: what the store still tells is on record.
  const records = await KmRecords.open(config, clock, log.child("records"));
  house.defer(() => records.close());
  const found = await openMasterKey(config, clock);
  let onRekeyed = () => {};
  const opened = await openEngine({
    folder: `${km.state_dir}/store`,
    masterKey: found.key,
    limitBytes: limit_mb * 1_000_000,
    wipeAfter: wipe_after,
    clock,
    onFailure,
    onRekeyed: () => onRekeyed(),
  }).finally(() => found.key.fill(0));
  house.defer(() => opened.store.close());
  await found.settle();
  const parts = { config, store: opened.store, records, clock, log: log.child("store") };
  const masterKey = new MasterKeyOfStore(parts, found.from);
  onRekeyed = () => masterKey.done();
  const { segments, extents, groups } = opened.damage;
  if (groups > 0) log.error("keys that came are damaged: lost", { groups });
  for (const segment of segments) log.error("keys that came are damaged: lost", { segment });
  for (const { link, number } of extents) {
    log.error("stock is missing: lost", { link, extent: number });
  }
  return { ...opened, records, masterKey };
}

/** Closes what was opened. What is not closed in time is as after a power cut, and found so by the next start. */
async function close(house: AsyncDisposableStack, log: Log): Promise<void> {
  const late = () =>
    new Fault("stopped", "not everything stopped in time", { limit_ms: stopTimeout });
  try {
    await within(clock, stopTimeout, house.disposeAsync(), late);
  } catch (error) {
    log.warn(describe(error));
    process.exit(exit.io);
  }
}
