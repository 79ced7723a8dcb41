/** Tells log, manager and operators of spools that no module has, for as long as they are there. */
import type { Log } from "../../base/log.ts";
import { counted } from "../../base/words.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import type { ModuleConfig } from "../config/tables.ts";
import { type LeftSpool, leftSpools } from "../spool/left-spools.ts";
import type { Monitoring } from "./monitoring.ts";

/**
 * Finds spools without a module and raises an alarm for each, until all of it is destroyed or the module is back. To be
 * called when the node is watched.
 * @param folder the node's state
 * @returns what is to be destroyed where all key is
 */
export async function tellOfSpools(
  { files, folder }: { readonly files: FileSystem; readonly folder: string },
  modules: readonly ModuleConfig[],
  { watch }: Pick<Monitoring, "watch">,
  log: Log,
): Promise<LeftSpool[]> {
  const left = new Map<string, string>();
  const found = await leftSpools(files, folder, modules, (module) => {
    left.delete(module);
    watch.leftBehind("spool_left", left);
  });
  for (const { name, module, blocks } of found) {
    left.set(
      module,
      blocks === undefined ? "it cannot be read" : counted(blocks, "file of key", "files of key"),
    );
    log.warn("keys wait in a spool that no module has", { spool: name, files: blocks });
  }
  watch.leftBehind("spool_left", left);
  return found;
}
