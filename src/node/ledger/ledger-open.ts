/** Opens a ledger's file, or makes one: nothing is read from it that is not on the disk by then. */
import type { Log } from "../../base/log.ts";
import { type FileSystem, readWhole } from "../../host/disk/files.ts";
import { LedgerIndex } from "./ledger-index.ts";
import { maxFile, nextGroup } from "./ledger-record.ts";
import { scan } from "./ledger-scan.ts";
import { folderOf, type Place, placeLedger } from "./ledger-write.ts";

export interface OpenLedger {
  readonly index: LedgerIndex;
  readonly place: Place;
}

/**
 * A torn tail is cut and reported.
 * @param reserveBytes room behind the records of a file that is made anew
 * @throws Fault `ledger.corrupt`, `ledger.io`, `state.owner`; a system error
 */
export async function openPlace(
  files: FileSystem,
  path: string,
  log: Log,
  reserveBytes: number,
): Promise<OpenLedger> {
  const bytes = await readWhole(files, path, maxFile);
  if (bytes === undefined) {
    const none = { entries: [], group: 0, reserveBytes: 0 };
    return { index: new LedgerIndex(), place: await placeLedger(files, path, none) };
  }
  const { index, firstAt, end, group, digest, clean, sealed, doubtfulTo } = scan(bytes, path);
  if (!clean) log.warn("ledger: torn tail cut", { file: path, bytes: bytes.length - end });
  if (sealed) {
    // The process before may have failed to sync the name of a file that it had made anew.
    await files.syncFolder(folderOf(path));
    const file = await files.open(path, "r+", 0o600);
    return { index, place: { file, firstAt, end, group, digest, length: bytes.length } };
  }
  // What is behind the last seal may be in the cache alone: after a failed sync no other sync writes it.
  const entries = [...index.entries()];
  const whole = { entries, group: nextGroup(group), reserveBytes, doubtfulTo };
  return { index, place: await placeLedger(files, path, whole) };
}
