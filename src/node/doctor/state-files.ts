/** Are the files of the state whole, and do the ledgers belong to modules? */

import { describe, Fault } from "../../base/errors.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { type Finding, fail, warn } from "../../ops/doctor/finding.ts";
import type { Config } from "../config/load.ts";
import { orphanedLedgers } from "../ledger/ledgers.ts";
import { leftSpools } from "../spool/left-spools.ts";
import { type ReadState, readState } from "../state/state.ts";
import type { Running } from "./subject.ts";

const stateName = ["state.files", "state"] as const;
const lookAfter =
  "look after the disk (dmesg), then acknowledge state_damaged.state: see A damaged state in docs/operations.md";

/** @returns what is amiss; nothing where all is well, or where only the node may look */
export async function checkStateFiles(
  { node, modules }: Config,
  running: Running | undefined,
): Promise<Finding[]> {
  if (running !== undefined) {
    const { alarms } = running.alarms;
    const of = (alarm: string) =>
      alarms.filter(({ name }) => name === alarm).map(({ object }) => object);
    return [...orphans(of("ledger_orphaned")), ...spools(of("spool_left"))];
  }
  const folder = node.state_dir;
  let found: ReadState | undefined;
  try {
    found = await readState(diskFiles, folder);
  } catch (error) {
    const closed = !(error instanceof Fault) || error.code !== "state.corrupt";
    const advice =
      "qkd-node state check, then state reset: see A damaged state in docs/operations.md";
    return closed ? [] : [fail(stateName, describe(error), advice)];
  }
  if (found === undefined) return [];
  const { state, lost } = found;
  const gone = lost ?? state.lost;
  const damage =
    gone === undefined
      ? []
      : [warn(stateName, `${gone.file} was ${gone.why}: the other generation is used`, lookAfter)];
  const names = modules.map(({ name }) => name);
  const place = { files: diskFiles, folder, state: { data: state }, modules: names };
  const left = await leftSpools(diskFiles, folder, modules);
  return [
    ...damage,
    ...orphans(await orphanedLedgers(place).catch(() => [])),
    ...spools(left.map(({ module }) => module)),
  ];
}

function orphans(ledgers: readonly string[]): Finding[] {
  if (ledgers.length === 0) return [];
  const advice =
    "put the module back; or stop the node, then qkd-node ledger adopt OLD NEW if it was renamed, " +
    "ledger retire OLD if it is gone";
  return [
    warn(["ledgers", "ledgers"], `of no module that is configured: ${ledgers.join(", ")}`, advice),
  ];
}

function spools(modules: readonly string[]): Finding[] {
  if (modules.length === 0) return [];
  const found = `keys wait in spools that no module has: ${modules.join(", ")}`;
  const advice = "put the module and its [module.spool] back until it is empty";
  return [warn(["spools", "spools"], found, advice)];
}
