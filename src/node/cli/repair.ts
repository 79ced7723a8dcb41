/** `qkd-node ledger …` and `qkd-node state …`: for when the node says that its files are damaged. */

import { exit } from "../../base/exit-codes.ts";
import { counted } from "../../base/words.ts";
import { diskFiles } from "../../host/disk/files.ts";
import { lockFolder } from "../../host/disk/lock.ts";
import type { Config } from "../config/load.ts";
import { ledgerPath, ledgersIn } from "../ledger/ledger-folder.ts";
import { checkLedger, type LedgerReport, repairLedger } from "../ledger/ledger-tool.ts";
import { adoptLedger, orphanedLedgers, retireLedger } from "../ledger/ledgers.ts";
import { editState, readState } from "../state/state.ts";
import { checkState, resetState } from "../state/state-tool.ts";
import { StateStore } from "../state/store.ts";

type Say = (line: string) => void;

function tell(report: LedgerReport, say: Say): void {
  const { file, condition, records, blocks, complete, withheld, quarantined } = report;
  say(`${file}: ${condition}`);
  if (condition === "missing") return;
  say(
    `  ${counted(records, "record")} of ${counted(blocks, "block")} that the module may still hold:`,
  );
  say(
    `  ${complete} with the KM, ${withheld} withheld, ${counted(quarantined, "key")} in quarantine`,
  );
  if (condition !== "damaged") return;
  say(`  damaged at byte ${report.damaged_at.slice(0, 8).join(", ") || "0: no ledger's header"}`);
  say("  The module is not served until it is repaired: qkd-node ledger repair");
}

function modulesOf(config: Config, module: string | undefined): string[] {
  const names = config.modules.map(({ name }) => name);
  return module === undefined ? names : names.filter((name) => name === module);
}

/** @returns an exit code: 0 if all can be used @throws Fault, a system error */
export async function ledgerCheck(config: Config, module: string | undefined, say: Say) {
  let code: number = exit.ok;
  for (const name of modulesOf(config, module)) {
    const report = await checkLedger(diskFiles, ledgerPath(config.node.state_dir, name));
    tell(report, say);
    if (report.condition === "damaged" || report.condition === "missing") code = exit.io;
  }
  if (module === undefined) await tellOrphans(config, say);
  return code;
}

async function tellOrphans({ node, modules }: Config, say: Say): Promise<void> {
  const folder = node.state_dir;
  const found = await readState(diskFiles, folder).catch(() => undefined);
  if (found === undefined) return;
  const place = {
    files: diskFiles,
    folder,
    state: { data: found.state },
    modules: modules.map(({ name }) => name),
  };
  for (const name of await orphanedLedgers(place)) {
    say(`${ledgerPath(folder, name)}: belongs to no module of the configuration`);
    say("  The module was renamed: qkd-node ledger adopt OLD NEW. It is gone: ledger retire OLD");
  }
}

/** Has a module go on with a ledger. @throws Fault: also while the node runs */
export async function ledgerAdopt(config: Config, from: string, to: string, say: Say) {
  await withLedgers(config, (place) => adoptLedger(place, from, to, "operator"));
  say(`${ledgerPath(config.node.state_dir, to)}: was ${from === to ? "not listed" : from}`);
  say("  The next start of the node tells the manager.");
  return exit.ok;
}

/** Puts a ledger aside for good. @throws Fault: also while the node runs */
export async function ledgerRetire(config: Config, name: string, trust: boolean, say: Say) {
  const kept = await withLedgers(config, (place) => retireLedger(place, name, trust));
  say(`${ledgerPath(config.node.state_dir, name)}: retired, and kept as ${kept}`);
  say("  What it says is forgotten: zeroize its module before that is served again.");
  say("  The next start of the node tells the manager.");
  return exit.ok;
}

async function withLedgers<T>(
  { node, modules }: Config,
  act: (place: Parameters<typeof adoptLedger>[0]) => Promise<T>,
): Promise<T> {
  const folder = node.state_dir;
  const lock = await lockFolder(folder);
  try {
    const state = new StateStore(await editState(diskFiles, folder));
    return await act({
      files: diskFiles,
      folder,
      state,
      modules: modules.map(({ name }) => name),
    });
  } finally {
    lock.release();
  }
}

/** @throws Fault: also while the node runs */
export async function ledgerRepair(config: Config, module: string, trust: boolean, say: Say) {
  const folder = config.node.state_dir;
  const lock = await lockFolder(folder);
  try {
    const file = ledgerPath(folder, module);
    const repair = await repairLedger(diskFiles, file, trust);
    if (repair === undefined) {
      say(`${file}: nothing to repair`);
      return exit.ok;
    }
    say(`${file}: made anew`);
    if (repair.kept !== undefined) say(`  the damaged one is kept as ${repair.kept}`);
    if (!trust) {
      say(
        "  What the damaged records said is lost: every block that the module holds when it comes",
      );
      say(
        "  back is withheld, unless it is known to be with the KM. An operator decides, here and at",
      );
      say(
        `  the other end alike: qkd-node release|discard ${module} --all --reason ledger_repaired`,
      );
    }
    return exit.ok;
  } finally {
    lock.release();
  }
}

/** @returns an exit code: 0 if it is good */
export async function stateCheck(config: Config, say: Say) {
  const report = await checkState(diskFiles, config.node.state_dir);
  const { folder, good, boot, problem } = report;
  const what = problem ?? "good";
  say(`${folder}: ${what}${good ? `, ${counted(boot ?? 0, "start")} so far` : ""}`);
  return problem === undefined ? exit.ok : exit.io;
}

/** @throws Fault: also while the node runs, or if the state is good */
export async function stateReset(config: Config, boot: number, say: Say) {
  const folder = config.node.state_dir;
  const lock = await lockFolder(folder);
  try {
    // Also those of modules that have another name now: none is taken for a new one.
    const ledgers = await ledgersIn(diskFiles, folder);
    await resetState(diskFiles, folder, boot, ledgers);
    say(`${folder}: new state, counting from start ${boot}; alarms and command counters are lost`);
    say("  Who each KM is is lost as well: keys that may be with one wait for qkd-node accept-km");
    return exit.ok;
  } finally {
    lock.release();
  }
}
