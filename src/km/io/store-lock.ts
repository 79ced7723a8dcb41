/**
 * One process for one store: also where two state folders lead to it, by a mount or a link in place of `store`. Each
 * has a lock of its own, so the folder of the store has one, too.
 */
import { diskFiles, exists } from "../../host/disk/files.ts";
import { type FolderLock, lockFolder } from "../../host/disk/lock.ts";
import { notOpened } from "./engine/open.ts";

/** The folder of the store, which is made where there is none. @throws Fault `state.locked`, `state.io`, `km_store.io` */
export async function lockStore(folder: string): Promise<FolderLock> {
  try {
    await diskFiles.makeFolder(folder);
  } catch (error) {
    // A disk that is full or read-only, a link to nothing: no defect of the program.
    throw notOpened(error, folder);
  }
  return lockFolder(folder);
}

/**
 * State folder, and the store in it if there is one, for what looks at the store of a key manager that is stopped.
 * @throws Fault `state.locked`, `state.io`; a system error
 */
export async function lockAtRest(stateFolder: string): Promise<FolderLock> {
  const state = await lockFolder(stateFolder);
  try {
    const folder = `${stateFolder}/store`;
    const store = (await exists(diskFiles, folder)) ? await lockFolder(folder) : undefined;
    return {
      release: () => {
        store?.release();
        state.release();
      },
    };
  } catch (error) {
    state.release();
    throw error;
  }
}
