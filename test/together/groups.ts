/** Which of the unit tests run together in one process, and which alone. */
import { globSync } from "node:fs";
import { join } from "node:path";

export const root = join(import.meta.dirname, "../..");

/** Folders of `test/unit`; what none of these has is in `rest`. */
const folders = {
  custody: ["node/custody", "node/keys", "node/ledger", "node/spool", "node/state"],
  supply: ["node/io", "node/kq2", "node/module"],
  node: ["node"],
  drivers: ["drivers", "emulator"],
  km: ["km"],
  ops: ["ops", "host", "psk"],
  rest: [""],
} as const;

export type Group = keyof typeof folders;
export const groups = Object.keys(folders) as readonly Group[];

/** These have a process of their own, with the reason. */
const alone: Readonly<Record<string, string>> = {
  "km/engine/engine-faults": "long: a campaign",
  "km/engine/engine": "long",
  "km/simulator": "long: a campaign",
  "km/io/hsm": "starts programs and waits for them",
  "ops/outbox/manager-day": "measures the process's memory",
  "host/life/slack": "measures the process's memory",
  "base/clock": "stops its own event loop",
  "emulator/pty": "counts the process's descriptors",
  "drivers/link/pcie": "counts the process's descriptors",
  "drivers/qmlp/qmlp-replug": "counts the process's descriptors",
  "drivers/qmlp/qmlp-session-end": "counts the process's descriptors",
  "scripts/certificates-cli": "starts programs and waits for them",
  "scripts/run": "starts programs and waits for them",
  "wire/kq1/engine": "waits at its top level",
};

const suffix = ".test.ts";
const unit = join(root, "test/unit");

function groupOf(name: string): Group | undefined {
  if (Object.hasOwn(alone, name)) return undefined;
  return groups.find((group) =>
    folders[group].some((folder) => folder === "" || name.startsWith(`${folder}/`)),
  );
}

const names = globSync(`**/*${suffix}`, { cwd: unit })
  .map((file) => file.slice(0, -suffix.length))
  .sort();

/** @returns paths of the test files of a group; of none: those that run alone */
export function testsOf(group: Group | undefined): readonly string[] {
  return names.filter((name) => groupOf(name) === group).map((name) => join(unit, name + suffix));
}
