/** The QKDN controller, wired together: read this first. */
import { every, systemClock } from "../base/clock.ts";
import { exit } from "../base/exit-codes.ts";
import type { Log } from "../base/log.ts";
import { softwareVersion } from "../base/version.ts";
import { diskFiles } from "../host/disk/files.ts";
import { lockFolder } from "../host/disk/lock.ts";
import { closeOrEnd } from "../host/life/close.ts";
import { processMemory, trimMemory } from "../host/life/memory-trim.ts";
import { systemdNotify } from "../host/life/notify.ts";
import { Progress } from "../host/life/progress.ts";
import { stopRequested } from "../host/life/signals.ts";
import { startInTime } from "../host/life/start.ts";
import { supervise } from "../host/life/supervisor.ts";
import { thisMachine } from "../host/machine.ts";
import { KeptCredentials } from "../host/tls/credentials.ts";
import { runDaemon } from "../ops/daemon/run.ts";
import type { LogRing } from "../ops/local/log-ring.ts";
import { startRenewal } from "../ops/renewal/open.ts";
import { startOf } from "./accounting/accounts.ts";
import { renewalTables } from "./config/certificates.ts";
import { type ControllerConfig, loadControllerConfig } from "./config/load.ts";
import { notesOn } from "./config/notes.ts";
import type { HeardNode } from "./core/world.ts";
import { CkDoor } from "./io/ck-door.ts";
import { createControllerLocal } from "./local/local.ts";
import type { ControllerStatus } from "./model/status.ts";
import { withAlarms } from "./model/verdict.ts";
import { openAuthority } from "./wiring/authority.ts";
import { accessDoor, watchCredentials } from "./wiring/credentials.ts";
import { openLeading } from "./wiring/leading.ts";
import { Management } from "./wiring/management.ts";
import { Network } from "./wiring/network.ts";
import { Orders } from "./wiring/orders.ts";
import { Watch } from "./wiring/watch.ts";

const clock = systemClock;
/** Stopping in order takes at most this long, ms; systemd is told to wait a little longer. */
const stopTimeout = 4_000;
/** How often alarms are looked at, ms. */
const lookMs = 1_000;
/** The core turns four times a second; one that has not for so long is stuck, ms. */
const stuckMs = 20_000;
const dayMs = 86_400_000;

/** Runs the controller until it is told to stop. @returns an exit code */
export function run(config: ControllerConfig): Promise<number> {
  return runDaemon({ name: "controller", log: config.log, clock }, (log, logs) =>
    serve(config, log, logs),
  );
}

async function serve(config: ControllerConfig, log: Log, logs: LogRing): Promise<number> {
  const stop = stopRequested();
  // What is opened is closed in the opposite order, also where the next step fails.
  const house = new AsyncDisposableStack();
  const { id } = config.controller;
  log.info("starting", { id, version: softwareVersion, pid: process.pid });
  for (const note of notesOn(config)) log.warn("configuration", { file: config.file, note });
  try {
    const starting = start(config, log, logs, house);
    const notify = await startInTime(starting, { stop, limitMs: stopTimeout, clock, log });
    const signal = await stop;
    log.info("stopping", { signal });
    notify.stopping();
  } finally {
    await closeOrEnd(house, clock, stopTimeout, log);
  }
  log.info("stopped");
  return exit.ok;
}

/** Opens and begins everything. @throws Fault */
async function start(
  config: ControllerConfig,
  log: Log,
  logs: LogRing,
  house: AsyncDisposableStack,
) {
  const notify = systemdNotify({ clock, log, environment: process.env });
  house.defer(() => notify.told());
  const { state_dir } = config.controller;
  await diskFiles.makeFolder(state_dir);
  const lock = await lockFolder(state_dir);
  house.defer(() => lock.release());
  const watch = new Watch({ web: config.web, clock, log: log.child("web") });
  const local = createControllerLocal(config, { logs, history: watch.history, clock, log });
  await local.server.listen();
  house.defer(() => local.server.close());

  const management = await Management.open(config, {
    ...thisMachine,
    onTransition: (transition) => watch.alarm(transition),
    log,
  });
  house.defer(() => management.stop());
  const leading = await openLeading(config, {
    clock,
    log: log.child("store"),
    period: () => startOf(clock.wall(), config.policy.rules.accountMs),
    onTrouble: (why) => management.store(why),
  });
  house.defer(() => leading.close());
  const { store } = leading;
  const network = new Network({
    policy: config.policy,
    authority: openAuthority(config.access.ca),
    store,
    saved: leading.saved,
    past: leading.past,
    role: leading.role,
    heard: () => management.heard(),
    onChange: (change) => {
      watch.changed(change);
      management.changed(change);
    },
    clock,
    log: log.child("network"),
  });
  house.defer(() => network.stop());
  const status = (): ControllerStatus => withAlarms(network.status(), management.alarms.shown());

  const { host, port } = config.ck;
  const credentials = new KeptCredentials(config.ck, "config.file");
  // What this controller took back it does not take, either.
  const texts = () => ({ ...credentials.read(), told: network.core.certificates.list?.pem });
  const door = new CkDoor({
    host,
    port,
    tls: texts(),
    kmOf: (names) => network.kmOf(names, config.kms),
    handlers: network,
    log: log.child("ck"),
    clock,
  });
  network.attach(door);
  log.info("Ck", { host, port: await door.listen() });
  house.defer(() => door.close());
  leading.start({
    onRole: (...told) => network.setRole(...told),
    onEarlier: () => network.saveAgain(),
    onAccess: (access) => network.setAccess(access),
  });

  const access = accessDoor(door, texts, () => network.core.certificates.list?.number, log);
  const looking = every(clock, lookMs, () => {
    const told = status();
    access.look();
    const expiring = network.core.certificates.expiring(config.alarms.certificate_days * dayMs);
    management.look(told, { refused: network.refused, twice: network.twice(), expiring });
    watch.look();
  });
  house.defer(() => looking.cancel());
  const facts = () => {
    const { refused, core } = network;
    const leftOut = core.nodes.leftOut;
    return { refused, leftOut, waiting: store.waiting, dropped: store.dropped };
  };
  watch.open(status, facts);
  house.defer(() => watch.close());

  const certificates = watchCredentials(config, { door: access, page: watch }, clock, log);
  house.defer(() => certificates.stop());
  const reload = () => {
    const unreadable = [...certificates.look()];
    if (management.renewed() !== undefined) unreadable.push("manager");
    return unreadable;
  };
  process.on("SIGHUP", () => {
    const unreadable = reload().join(", ");
    if (unreadable !== "") log.warn("certificates cannot be read", { for: unreadable });
  });
  const renewal = startRenewal(renewalTables(config), {
    ...thisMachine,
    tell: (name, why) => management.renewal(name, why),
    onRenewed: reload,
    log: log.child("est"),
  });
  house.defer(() => renewal?.stop());
  const orders = new Orders({
    core: () => network.core,
    store,
    accounts: (...page) => leading.accounts(...page),
    recheck: () => access.look(),
  });
  const ordered = {
    setService: (...order: Parameters<Orders["setService"]>) => orders.setService(...order),
    register: (...order: Parameters<Orders["register"]>) => orders.register(...order),
    withdraw: (...order: Parameters<Orders["withdraw"]>) => orders.withdraw(...order),
    certify: (...order: Parameters<Orders["certify"]>) => orders.certify(...order),
    revoke: (...order: Parameters<Orders["revoke"]>) => orders.revoke(...order),
  };
  local.serve({
    ...ordered,
    setRoutes: (...order) => orders.setRoutes(...order),
    relay: (...order) => orders.relay(...order),
    endSession: (...order) => orders.endSession(...order),
    accounts: (...asked) => orders.accounts(...asked),
    issued: () => orders.issued(),
    revocationList: () => orders.revocationList(),
    status,
    metrics: () => watch.families(),
    changes: (count) => leading.changes(count),
    acknowledge: (alarm, by) => management.acknowledge(alarm, by),
  });
  const bundle = async () => {
    // Seldom wanted, and much of the doctor with it.
    const { bundleOfSelf } = await import("./bundle/self.ts");
    const load = () => loadControllerConfig(config.file);
    return {
      file: await bundleOfSelf(config, { ask: local.ask, load, read: () => config, clock }),
    };
  };
  const onNode = (node: HeardNode) => network.heardNode(node);
  management.start({ ...ordered, status, onNode, reload, supportBundle: bundle });

  const progress = new Progress();
  progress.watch({
    name: "core",
    ready: () => true,
    steps: () => network.ticks,
    limitMs: stuckMs,
  });
  const watched = supervise({ progress, notify, clock, log });
  house.defer(() => watched.cancel());
  // A thousand handshakes at once leave much behind.
  const trimming = trimMemory(processMemory, clock, log);
  house.defer(() => trimming.cancel());
  log.info("running", { version: softwareVersion, controller: config.controller.id });
  notify.ready();
  return notify;
}
