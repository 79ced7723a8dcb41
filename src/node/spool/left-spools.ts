/**
 * Spools that no module of the configuration has any more: its name was taken out, or its `[module.spool]`.
 * Their blocks are kept, encrypted, for the module that comes back, which is told as an alarm. Where all key is to be
 * destroyed they are as well.
 */
import { errorCode } from "../../base/errors.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { spoolPrefix } from "../ledger/ledger-folder.ts";
import { emptySpool, isOurs } from "./spool-files.ts";

/** As the panel knows a module that can be told to destroy its key. */
export interface LeftSpool {
  /** Such as `spool-NAME`. */
  readonly name: string;
  /** Of the module that had it. */
  readonly module: string;
  /** Blocks, or batches of a driver, that wait; undefined where its folder cannot be read. */
  readonly blocks: number | undefined;
  /** @throws Fault `state.io` if anything may be left */
  command(): Promise<void>;
  forget(): void;
  shut(): void;
  open(): void;
}

/**
 * Finds them; what cannot be looked at is left out.
 * @param modules of the configuration
 * @param onEmptied all of this module's was destroyed
 */
export async function leftSpools(
  files: FileSystem,
  folder: string,
  modules: readonly { readonly name: string; readonly spool?: unknown }[],
  onEmptied: (module: string) => void = () => {},
): Promise<LeftSpool[]> {
  const used = modules.flatMap(({ name, spool }) => (spool === undefined ? [] : name));
  const found: LeftSpool[] = [];
  for (const name of await files.list(folder).catch(() => [])) {
    const module = name.slice(spoolPrefix.length);
    if (!name.startsWith(spoolPrefix) || used.includes(module)) continue;
    const spool = `${folder}/${name}`;
    const blocks = await blocksIn(files, spool);
    if (blocks === 0) continue;
    const nothing = () => {};
    const command = async () => {
      await emptySpool(files, spool);
      onEmptied(module);
    };
    found.push({ name, module, blocks, command, forget: nothing, shut: nothing, open: nothing });
  }
  return found;
}

async function blocksIn(files: FileSystem, folder: string): Promise<number | undefined> {
  try {
    return (await files.list(folder)).filter(isOurs).length;
  } catch (error) {
    // A file of that name is no spool; what cannot be read may be one.
    return errorCode(error) === "ENOTDIR" ? 0 : undefined;
  }
}
