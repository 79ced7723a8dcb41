/** Which of the tests run together in one process, and which alone. */
import { globSync } from "node:fs";
import { join } from "node:path";
import { isLeftOut } from "../whole-run.ts";

export const root = join(import.meta.dirname, "../..");

/** How the names of a group's files begin, below `test`; a file is of the first group that fits. */
const beginnings = {
  custody: ["node/custody", "node/keys", "node/ledger", "node/spool", "node/state"].map(
    (folder) => `unit/${folder}/`,
  ),
  supply: ["unit/node/io/", "unit/node/kq2/", "unit/node/module/"],
  node: ["unit/node/"],
  drivers: ["unit/drivers/", "unit/emulator/"],
  km: ["unit/km/"],
  ops: ["unit/ops/", "unit/host/", "unit/psk/"],
  rest: ["unit/"],
  modules: ["device", "etsi014", "peer", "qcrypto", "qmlp", "skeleton", "spooled"].map(
    (name) => `conformance/${name}`,
  ),
  "key-managers": ["conformance/", "e2e/km", "e2e/relay", "e2e/skip", "e2e/psk", "e2e/use-"],
  controllers: ["access", "alarm-to-route", "applications", "controller", "procedures"].map(
    (name) => `e2e/${name}`,
  ),
  pages: ["browser", "console", "page", "panel", "manager", "broker"].map((name) => `e2e/${name}`),
  commands: ["cli", "commands", "completion", "doctor", "examples", "older", "support"].map(
    (name) => `e2e/${name}`,
  ),
  links: ["e2e/"],
} as const satisfies Record<string, readonly string[]>;

export type Group = keyof typeof beginnings;
export const groups = Object.keys(beginnings) as readonly Group[];

/** These have a process of their own, with the reason. */
const alone: Readonly<Record<string, string>> = {
  "unit/controller/controller-simulator": "long: a campaign",
  "unit/controller/certificates": "waits at its top level",
  "unit/controller/door-fuzz": "measures the process's memory",
  "unit/km/engine/engine-faults": "long: a campaign",
  "unit/km/engine/engine": "long",
  "unit/km/simulator": "long: a campaign",
  "unit/km/io/hsm": "starts programs and waits for them",
  "unit/ops/outbox/manager-day": "measures the process's memory",
  "unit/host/life/slack": "measures the process's memory",
  "unit/base/clock": "stops its own event loop",
  "unit/emulator/pty": "counts the process's descriptors",
  "unit/drivers/link/pcie": "counts the process's descriptors",
  "unit/drivers/qmlp/qmlp-replug": "counts the process's descriptors",
  "unit/drivers/qmlp/qmlp-session-end": "counts the process's descriptors",
  "unit/drivers/qcrypto/qcrypto-closed": "acts as another user",
  "unit/scripts/certificates-cli": "starts programs and waits for them",
  "unit/scripts/run": "starts programs and waits for them",
  "unit/wire/kq1/engine": "waits at its top level",
  "conformance/km": "long: a suite",
  "e2e/build": "changes its environment, and builds before all else",
  "e2e/canary": "long: looks through memory",
  "e2e/cost": "measures the process's memory",
  "e2e/demo": "long",
  "e2e/door-timing": "measures time",
  "e2e/etsi014-kills": "long: a campaign",
  "e2e/fault-table": "long",
  "e2e/floods": "long: a campaign",
  "e2e/hostile-applications": "long: a campaign",
  "e2e/kills": "long: a campaign",
  "e2e/km-canary": "long: looks through memory",
  "e2e/km-controller": "long",
  "e2e/km-intake-memory": "measures the process's memory",
  "e2e/km-rekey": "long",
  "e2e/km-restore": "long",
  "e2e/link": "long",
  "e2e/memory": "measures the process's memory",
  "e2e/panel-kill": "long: a campaign",
  "e2e/proactive-kills": "long: a campaign",
  "e2e/procedures": "long",
  "e2e/relay-kills": "long: a campaign",
  "e2e/site": "long",
  "e2e/update-root": "changes its environment",
};

const suffix = ".test.ts";
const tests = join(root, "test");

function groupOf(name: string): Group | undefined {
  if (Object.hasOwn(alone, name)) return undefined;
  return groups.find((group) => beginnings[group].some((one) => name.startsWith(one)));
}

const names = globSync(`{unit,conformance,e2e}/**/*${suffix}`, { cwd: tests })
  .map((file) => file.slice(0, -suffix.length))
  .filter((name) => !isLeftOut(name))
  .sort();

/** @returns paths of the test files of a group; of none: those that run alone */
export function testsOf(group: Group | undefined): readonly string[] {
  return names.filter((name) => groupOf(name) === group).map((name) => join(tests, name + suffix));
}
