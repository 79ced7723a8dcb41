/** The key manager, wired together: read this first. */
import { randomBytes } from "node:crypto";
import { every, systemClock } from "../base/clock.ts";
import { describe, type Fault } from "../base/errors.ts";
import { exit } from "../base/exit-codes.ts";
import type { Log } from "../base/log.ts";
import { softwareVersion } from "../base/version.ts";
import { closeOrEnd } from "../host/life/close.ts";
import { growHeap } from "../host/life/heap-growth.ts";
import { processMemory, trimMemory } from "../host/life/memory-trim.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { isStopRequested, stopRequested } from "../host/life/signals.ts";
import { startInTime } from "../host/life/start.ts";
import { supervise } from "../host/life/supervisor.ts";
import { tellHealth } from "../host/life/tell-health.ts";
import { thisMachine } from "../host/machine.ts";
import { KeptCredentials } from "../host/tls/credentials.ts";
import { runDaemon } from "../ops/daemon/run.ts";
import type { LogRing } from "../ops/local/log-ring.ts";
import { startRenewal } from "../ops/renewal/open.ts";
import { renewalTables } from "./config/certificates.ts";
import { type KmConfig, loadKmConfig, readKmConfig } from "./config/load.ts";
import type { KxIdentity } from "./io/kx-dial.ts";
import { KxDoor } from "./io/kx-door.ts";
import { createKmLocal } from "./local/local.ts";
import { healthLine } from "./model/health.ts";
import type { KmStatus } from "./model/status.ts";
import { isRelayModule } from "./relay/modules.ts";
import { ConfirmedStore } from "./store/confirmed-store.ts";
import { Applications, KeyDelivery, rereadApplications } from "./wiring/applications.ts";
import { Controllers } from "./wiring/controllers.ts";
import { goByRevocations, reloadCertificates, watchCredentials } from "./wiring/credentials.ts";
import { Supplies } from "./wiring/intake.ts";
import { LeftOver } from "./wiring/left-over.ts";
import { LinkOfKm } from "./wiring/links.ts";
import { Management } from "./wiring/management.ts";
import { openStore } from "./wiring/open-store.ts";
import { watchProgress } from "./wiring/progress.ts";
import { Relays } from "./wiring/relays.ts";
import { openRevocations } from "./wiring/revocations.ts";
import { openRpcDoor } from "./wiring/rpc-door.ts";
import { SkipDelivery } from "./wiring/skip.ts";
import { kmStatus } from "./wiring/status.ts";
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
  const stopping = new AbortController();
  stop.then(() => stopping.abort());
  // What is opened is closed in the opposite order, also where the next step fails.
  const house = new AsyncDisposableStack();
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => {});
  log.info("starting", { id: config.km.id, version: softwareVersion, pid: process.pid });
  try {
    const surroundings = { log, logs, stop: stopping.signal, onFailure: failed.reject };
    const starting = start(config, surroundings, house).catch(async (error) => {
      // Told to stop, as is the process that asks the token: what fails by that is no failure.
      if (!(await isStopRequested())) throw error;
      log.warn(describe(error));
    });
    const notify = await startInTime(starting, { stop, limitMs: stopTimeout, clock, log });
    const signal = await Promise.race([stop, failed.promise]);
    log.info("stopping", { signal });
    notify?.stopping();
  } finally {
    await closeOrEnd(house, clock, stopTimeout, log);
  }
  log.info("stopped");
  return exit.ok;
}

interface Surroundings {
  readonly log: Log;
  readonly logs: LogRing;
  /** Given when it is told to stop. */
  readonly stop: AbortSignal;
  /** A part can't go on: the process ends. */
  readonly onFailure: (error: unknown) => void;
}

/** Opens and begins everything. @throws Fault */
async function start(
  config: KmConfig,
  { log, logs, stop, onFailure }: Surroundings,
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
  let onLost = () => {};
  const { store, loaded, idKey, damage, records, masterKey } = await openStore(
    config,
    { clock, log, stop, onFailure, onLost: () => onLost() },
    house,
    locked,
  );
  const moment = () => ({ now: clock.now(), wall: clock.wall() });
  let controllers: Controllers | undefined;
  const management = await Management.open(config, {
    ...thisMachine,
    records,
    onTransition: (transition) => {
      watch.alarm(transition);
      controllers?.changed();
    },
    log,
  });
  house.defer(() => management.stop());
  const { alarms, tally } = management;
  const known = damage.segments.length + damage.gone.length + damage.groups;
  const lost = Math.max(known, Math.sign(damage.keys)) + damage.extents.length;
  if (lost > 0) alarms.damaged(`${lost} ${lost === 1 ? "part" : "parts"}`, moment());
  onLost = () => alarms.damaged("1 part", moment());
  const byModule = new Map<string, LinkOfKm>();
  const leaving = new ConfirmedStore(store);
  const supplies = await Supplies.open({
    config,
    store,
    idKey,
    events: {
      stored: (keys, confirmed) => {
        leaving.confirming(keys.handles, confirmed);
        byModule.get(keys.module)?.stored(keys);
        tally.received(keys.module, clock.now());
      },
      keepOut: (module, id) => byModule.get(module)?.core.keepOut(id) ?? false,
      conflict: (module, id) => {
        records.conflict(module, id);
        alarms.conflict(module, moment());
      },
    },
    onNews: () => controllers?.changed(),
    stockOf: (module) => byModule.get(module)?.bytes ?? 0,
    clock,
    log: log.child("kq1"),
    onFailure,
  });
  house.defer(() => supplies.close());

  const progress = new Progress();
  const asking = watchProgress(progress, supplies.intake, store, clock);
  house.defer(() => asking.cancel());
  const incarnation = randomBytes(16);
  const { kx } = config;
  const revocations = await openRevocations(config, clock, log.child("ck"));
  house.defer(() => revocations.settled());
  const kept = kx && new KeptCredentials(kx, "config.file");
  const tls = () => ({ ...kept?.read(), told: revocations.text }) as KxIdentity;
  const applications = new Applications(config);
  const links = config.links.map((link) => {
    const one = new LinkOfKm({
      me: config.km.id,
      config: link,
      modules: config.modules,
      store: leaving,
      loaded,
      incarnation,
      tls,
      applications: () => applications.table,
      outstanding: config.etsi014?.outstanding_keys,
      clock,
      log: log.child(`link.${link.name}`),
      task: progress.beginner(clock),
      left: (module, ids) => supplies.intake.module(module)?.left(ids),
      told: (name, event) => {
        records.tell(name, event);
        tally.told(name, event);
        alarms.told(name, event, moment());
        watch.link(name, event);
        if (event.type === "ready") controllers?.changed();
      },
      changed: () => controllers?.changed(),
      onFailure,
    });
    records.attach(link, one.core);
    for (const module of config.modules) {
      if (module.link === link.name) byModule.set(module.name, one);
    }
    return one;
  });
  await supplies.intake.load(loaded.buffered.filter(({ module }) => !isRelayModule(module)));
  const leftOver = new LeftOver({
    ...{ config, loaded, store, clock, log: log.child("store") },
    random: randomBytes,
    dropped: (...told) => records.leftOverDropped(...told),
  });
  records.attachLeftOver(leftOver);
  const dropping = leftOver.start();
  house.defer(() => dropping?.cancel());
  const relays = new Relays({
    me: config.km.id,
    config: config.relay,
    links,
    store,
    clock,
    log: log.child("relay"),
    known: management.controlled,
    route: (...asked) => controlled.route(...asked),
    nextHops: (...ends) => controlled.nextHops(...ends),
    told: (relay) => records.relayed(relay),
    onFailure,
  });
  records.attachRelays(relays);

  const delivery = KeyDelivery.make({
    config,
    applications,
    links,
    more: (link) => relays.demandOf(link),
    session: (...asked) => controlled.admit(...asked),
    sessions: () => controlled.sessions,
    told: () => revocations.text,
    store,
    isStalled: asking.isStalled,
    clock,
    log: log.child("etsi014"),
  });
  const status = (): KmStatus =>
    watch.judged(
      kmStatus(
        config,
        supplies,
        links,
        { use: store.use(), full: store.full(), leftOver, stalledMs: asking.stalledMs() },
        masterKey.status(),
        clock.now() - begun,
        alarms.shown(),
        delivery,
        relays.status(),
        controlled.status(),
      ),
    );
  const controlled = new Controllers({
    config,
    status,
    applications,
    relays: {
      hasLink: (km) => relays.hasLink(km),
      pair: (km) => relays.pairTo(km),
      pairs: () => relays.pairs,
      service: (link) => relays.serviceOf(link),
      reserve: (...order) => relays.reserve(...order),
      allocate: (...order) => relays.allocate(...order),
      relayReserved: (...order) => relays.relayReserved(...order),
      serve: (km, service) => relays.serve(km, service),
      routed: () => {
        management.saveControlled(relays.known);
        controlled.changed();
      },
    },
    invite: (session, done) => {
      if (delivery === undefined) done("not_supported");
      else delivery.proactive.invite(session, done);
    },
    over: (session) => delivery?.proactive.over(session),
    revoked: (...told) => revocations.told(...told),
    clock,
    log: log.child("ck"),
    task: progress.beginner(clock),
    event: (event) => {
      watch.happened(event);
      management.event(event);
    },
    disagree: (link, why) => alarms.disagree(link, why, moment()),
    onFailure,
  });
  controllers = controlled;
  const looking = every(clock, lookMs, () => {
    const told = status();
    management.look(told);
    watch.look(told, moment());
    controlled.look(told);
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
  house.defer(async () => void (await Promise.all(links.map((link) => link.stop()))));
  for (const link of links) link.start();
  relays.start();
  house.defer(() => relays.stop());
  controlled.start();
  house.defer(() => controlled.stop());
  const rpcs = await openRpcDoor(config.ck, {
    answer: (...asked) => controlled.answer(...asked),
    told: () => revocations.text,
    clock,
    log: log.child("ck"),
  });
  house.defer(() => rpcs?.close());
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
  // Both at once: an application that has asked is answered first.
  house.defer(async () => {
    for (const { core } of links) core.peer.lastTakes();
    await Promise.all([delivery?.close(), skip?.close()]);
  });
  await delivery?.listen();
  await skip?.listen();
  await supplies.listen();
  house.defer(() => supplies.closeServers());

  const ways = links.map(({ way }) => way);
  const users = { supplies, delivery, door, ways, page: watch, controlled, rpcs, kxIdentity: tls };
  const certificates = watchCredentials(config, users, clock, log);
  house.defer(() => certificates.stop());
  revocations.onChange(() => goByRevocations(users, log));
  const reload = () => reloadCertificates(certificates, management);
  process.on("SIGHUP", () => {
    const unreadable = reload().join(", ");
    if (unreadable !== "") log.warn("certificates cannot be read", { for: unreadable });
    const read = () => readKmConfig(config.file);
    rereadApplications(() => read().applications, applications, links, log);
    controlled.reread(() => read().controllers);
    skip?.look();
  });
  const renewal = startRenewal(renewalTables(config), {
    ...thisMachine,
    tell: (name, why) => management.renewal(name, why),
    onRenewed: reload,
    log: log.child("est"),
  });
  house.defer(() => renewal?.stop());
  const bundle = async () => {
    // Seldom wanted, and much of the doctor with it.
    const { bundleOfSelf } = await import("./bundle/self.ts");
    const load = () => loadKmConfig(config.file);
    return bundleOfSelf(config, { ask: local.ask, load, read: () => config, clock });
  };
  management.start({ status, links, reload, bundle });
  const watched = supervise({ progress, notify, clock, log });
  house.defer(() => watched.cancel());
  const trimming = trimMemory(processMemory, clock, log.child("memory"));
  house.defer(() => trimming.cancel());
  const health = tellHealth(notify, clock, () => healthLine(links.map((one) => one.status())));
  house.defer(() => health.cancel());
  // Some tens of MB of keys and messages are on their way outside of a heap of 15: at half as much again, as V8 would
  // collect it, that is a third of the time of a relay.
  const growing = growHeap(clock);
  house.defer(() => growing.cancel());
  log.info("running", { version: softwareVersion, km: config.km.id });
  notify.ready();
  return notify;
}
