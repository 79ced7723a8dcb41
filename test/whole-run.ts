/**
 * What is of the whole run only: `npm run test:whole` and `.ci/run` have it, and whoever names its file has it too.
 * `npm test` leaves it out, so that it is over in three minutes: each has cheaper tests beside it, which hold the same.
 */
export const wholeRun = "npm run test:whole";

/** `scripts/test.mjs` says so to a run that leaves this out. */
export const isShort = process.env.QKD_TESTS === "short";

/** Test files below `test`, with what of them `npm test` has elsewhere. */
export const filesOfWholeRun: Readonly<Record<string, string>> = {
  // Campaigns on whole programs; their stories are told in virtual time by unit tests.
  "e2e/kills": "unit/node/custody/custody-sim, e2e/link kills a node",
  "e2e/etsi014-kills": "unit/drivers/etsi014/story",
  "e2e/relay-kills": "unit/km/relay/relay-simulator",
  "e2e/proactive-kills": "unit/km/applications/proactive",
  "e2e/relay-shown": "unit/km/surfaces/km-metrics",
  "e2e/relay-thief": "unit/km/relay/relay-simulator",
  "e2e/km-rekey": "unit/km/engine",
  "e2e/floods": "unit/node/io/kq1-server-flood, unit/node/io/kq1-flood, unit/node/page/web-flood",
  "e2e/panel-kill": "e2e/panel kills a node that tampering latched",
  "e2e/hostile-applications": "e2e/applications, unit/wire/etsi014",
  "e2e/door-timing": "unit/km/io/etsi014-server, unit/km/applications",
  "e2e/cost": "e2e/link; what a key costs is no question of right or wrong",
  "e2e/km-intake-memory": "unit/km/acquisition",
  "e2e/memory": "unit/node/keys, unit/node/custody; e2e/canary looks for keys everywhere else",
  "unit/ops/outbox/manager-day": "unit/ops/outbox/outbox",
  "e2e/km-canary": "e2e/canary, of nodes",
  "e2e/fault-table": "unit/node/alarms/fault-table",
  "unit/node/alarms/alarms-emulator": "unit/node/alarms/alarms-scenarios",
  "e2e/signals": "unit/host/life",
  "e2e/psk": "unit/psk, e2e/use-openssl",
  "e2e/kq2": "unit/wire/kq2, unit/km/io/kq2-line",
  "e2e/access": "unit/controller/certificates",
  "e2e/renewal": "unit/ops/renewal",
  "e2e/km-rpc": "unit/km/io/ck-door, e2e/km-controller",
  "unit/controller/wire-sessions": "unit/controller/sessions",
  "unit/scripts/tryboot": "unit/scripts/pi-image",
  "unit/scripts/certificates-cli": "unit/scripts/site-cli",
  // Many of what is tested of one or two.
  "e2e/fleet": "e2e/brokers",
  "e2e/manager-alarms": "e2e/brokers, e2e/panel, unit/node/manager",
  "e2e/controllers": "e2e/controller, unit/controller",
  "e2e/km-two-controllers": "e2e/km-controller",
  "e2e/controller-manager": "e2e/km-manager, unit/controller",
  "e2e/alarm-to-route": "e2e/controller",
  "e2e/procedures": "e2e/km-controller",
  "e2e/proactive": "unit/km/applications/proactive, unit/km/io/etsi014-server",
  "e2e/controller-live": "e2e/controller-page, e2e/controller",
  "conformance/kme-product": "conformance/kme, e2e/applications",
  "conformance/km-product": "conformance/km, e2e/km, unit/km/acquisition",
  "conformance/etsi014-leader": "unit/drivers/etsi014, e2e/etsi014, conformance/qmlp-socket",
  "conformance/etsi014-follower": "unit/drivers/etsi014, e2e/etsi014, conformance/qmlp-socket",
  // Others' programs of all kinds, of which one is tested.
  "e2e/use-commercial-qkd": "e2e/etsi014",
  "e2e/use-macsec": "e2e/use-openssl",
  "e2e/use-own-program": "e2e/use-openssl",
  "e2e/use-skip": "e2e/skip",
  "e2e/use-strongswan": "e2e/use-openssl",
  "e2e/use-wireguard": "e2e/use-openssl",
  "e2e/completion": "e2e/cli-words",
  "e2e/names": "unit/host/net/net-lookup",
  // What is seen in a browser, beside the page of a node, of a key manager and of a controller.
  "e2e/km-page": "e2e/page",
  "e2e/page-past": "unit/ops/history",
  "e2e/panel-shown": "e2e/panel, e2e/page",
  // States that few come upon.
  "e2e/site": "unit/scripts/site-cli, unit/ops/site",
  "e2e/site-trial": "unit/ops/site/site-cuts",
  "e2e/km-restore": "unit/km/link",
  "e2e/km-support": "e2e/support",
  "e2e/km-records": "unit/km/records",
  "e2e/state-folder": "unit/node/state",
  "e2e/replaced": "unit/node/custody/custody-origin",
  "e2e/modules": "e2e/link, e2e/etsi014",
  "e2e/km-doctor": "e2e/doctor, e2e/km-cli",
  "e2e/older-node": "unit/ops/local",
  "e2e/update-root": "e2e/update",
};

/** @param name of a test file, below `test` and without its ending */
export function isLeftOut(name: string): boolean {
  return isShort && Object.hasOwn(filesOfWholeRun, name);
}

/** All of them in the whole run, in a short one the first: the same suite over another binding, say. */
export function each<T>(all: readonly T[]): readonly T[] {
  return isShort ? all.slice(0, 1) : all;
}
