/**
 * Spools that no module of the configuration has any more: its name was taken out, or its `[module.spool]`.
 * Their blocks are kept, encrypted, for the module that comes back. Where all key is to be destroyed they
 * are as well.
 */
import { errorCode } from "../../base/errors.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { spoolPrefix } from "../ledger/ledger-folder.ts";
import { emptySpool, isOurs } from "./spool-files.ts";

/** As the panel knows a module that can be told to destroy its key. */
export interface LeftSpool {
  /** Such as `spool-NAME`. */
  readonly name: string;
  /** @throws Fault `state.io` if anything may be left */
  command(): Promise<void>;
  forget(): void;
  shut(): void;
  open(): void;
}

/**
 * Finds them; what cannot be looked at is left out.
 * @param used names of the modules that have a spool
 */
export async function leftSpools(
  files: FileSystem,
  folder: string,
  used: readonly string[],
): Promise<LeftSpool[]> {
  const found: LeftSpool[] = [];
  for (const name of await files.list(folder).catch(() => [])) {
    if (!name.startsWith(spoolPrefix) || used.includes(name.slice(spoolPrefix.length))) continue;
    const spool = `${folder}/${name}`;
    if (!(await anyBlock(files, spool))) continue;
    const nothing = () => {};
    const command = () => emptySpool(files, spool);
    found.push({ name, command, forget: nothing, shut: nothing, open: nothing });
  }
  return found;
}

async function anyBlock(files: FileSystem, folder: string): Promise<boolean> {
  try {
    return (await files.list(folder)).some(isOurs);
  } catch (error) {
    // A file of that name is no spool; what cannot be read may be one.
    return errorCode(error) !== "ENOTDIR";
  }
}
