/** The files of the modules' ledgers and spools in the node's state folder: names, and moving them. */
import { errorCode, Fault } from "../../base/errors.ts";
import { exists, type FileSystem } from "../../host/disk/files.ts";
import { checkLedger } from "./ledger-tool.ts";

export function ledgerPath(folder: string, module: string): string {
  return `${folder}/ledger-${module}`;
}

/** A spool's folder is this and its module's name. */
export const spoolPrefix = "spool-";

/** In such a folder: what says which key its files are of. */
export const spoolCheck = "key-check";

export function spoolPath(folder: string, module: string): string {
  return `${folder}/${spoolPrefix}${module}`;
}

/** Copies that repair and retirement keep, and a file that was being written. */
export const besideLedger = /\.(?:new|damaged\.\d+|retired\.\d+)$/;

/** Names of the ledgers in the folder. @throws a system error */
export async function ledgersIn(files: FileSystem, folder: string): Promise<string[]> {
  const names = (await files.list(folder)).flatMap((file) =>
    file.startsWith("ledger-") && !besideLedger.test(file) ? [file.slice("ledger-".length)] : [],
  );
  return names.sort();
}

/** Whether a ledger that is there says nothing. @throws a system error */
export async function isFresh(files: FileSystem, folder: string, name: string): Promise<boolean> {
  const { condition, records } = await checkLedger(files, ledgerPath(folder, name));
  return condition !== "damaged" && records === 0;
}

/** Whether a module has a ledger that says something, or a spool with a block. */
async function inTheWay(
  files: FileSystem,
  folder: string,
  name: string,
): Promise<{ readonly ledger: boolean; readonly spool: boolean }> {
  const [ledger, spool] = [ledgerPath(folder, name), spoolPath(folder, name)];
  return {
    ledger: (await exists(files, ledger)) && !(await isFresh(files, folder, name)),
    spool:
      (await exists(files, spool)) && (await files.list(spool)).some((file) => file !== spoolCheck),
  };
}

/**
 * Gives a ledger and the spool that goes with it another name, durably. After a kill the same call
 * completes the move.
 * @throws Fault `ledger.orphaned` if there is something under the new name as well, and nothing was
 *   moved then; a system error
 */
export async function moveLedger(
  files: FileSystem,
  folder: string,
  from: string,
  to: string,
): Promise<void> {
  const old = { ledger: ledgerPath(folder, from), spool: spoolPath(folder, from) };
  const ledger = await exists(files, old.ledger);
  const spool = await exists(files, old.spool);
  const way = await inTheWay(files, folder, to);
  if ((ledger && way.ledger) || (spool && way.spool)) {
    const file = ledger && way.ledger ? ledgerPath(folder, to) : spoolPath(folder, to);
    throw new Fault("ledger.orphaned", "there is another of the new name", {
      from: old.ledger,
      file,
    });
  }
  // The ledger last: as long as it has its old name the move is known to be incomplete.
  if (spool) await files.rename(old.spool, spoolPath(folder, to));
  if (ledger) await files.rename(old.ledger, ledgerPath(folder, to));
  await files.syncFolder(folder);
}

/** Runs operations on the folder. @throws Fault `ledger.io` for a system error, or their own */
export async function onFolder<T>(folder: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw new Fault("ledger.io", "cannot look after the ledgers", {
      folder,
      code: errorCode(error) ?? "unknown",
    });
  }
}
