/**
 * Opens the modules' ledgers, with the rule for one that is missing: it may be new only where none
 * ever was. That it was made is in the node's small state; a ledger whose state is gone, or a state
 * whose ledger is gone, is not taken for a new node.
 */
import { Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import { exists, type FileSystem } from "../state/files.ts";
import type { StateStore } from "../state/store.ts";
import { LedgerFile, type LedgerOptions } from "./ledger-file.ts";

export interface LedgersOptions {
  readonly files: FileSystem;
  readonly folder: string;
  readonly state: StateStore;
  readonly options: Partial<LedgerOptions>;
}

export function ledgerPath(folder: string, module: string): string {
  return `${folder}/ledger-${module}`;
}

/** @throws Fault `ledger.missing`, `ledger.corrupt`, `ledger.io`, `state.io` */
export async function openLedger(
  { files, folder, state, options }: LedgersOptions,
  module: string,
  log: Log,
): Promise<LedgerFile> {
  const path = ledgerPath(folder, module);
  const made = state.data.ledgers?.includes(module) === true;
  if (made && !(await exists(files, path))) {
    throw new Fault("ledger.missing", "the ledger is gone: see `qkd-node ledger`", { file: path });
  }
  const ledger = await LedgerFile.open(files, path, log, options);
  if (!made) {
    await state.change((data) => {
      data.ledgers = [...(data.ledgers ?? []), module];
    });
  }
  return ledger;
}
