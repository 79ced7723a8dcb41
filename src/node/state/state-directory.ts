/** The node's state folder: its own alone, with the small state in it. */
import { Fault } from "../../base/errors.ts";
import type { FileSystem } from "../../host/disk/files.ts";
import { type FolderLock, lockFolder } from "../../host/disk/lock.ts";
import { makeStateFolder } from "../../ops/manager/durable-state.ts";
import { openState } from "./state.ts";
import { StateStore } from "./store.ts";

export interface Home {
  readonly state: StateStore;
  /** Lets another process have the folder. */
  release(): void;
}

/**
 * Takes the folder for this process, and opens the state in it.
 * @param beside files that are made after the state
 * @throws Fault `state.*`; the folder is free then
 */
export async function openStateDirectory(
  files: FileSystem,
  folder: string,
  beside: readonly string[],
): Promise<Home> {
  if (!folder.startsWith("/")) throw new Fault("state.io", "not an absolute path", { folder });
  await makeStateFolder(files, folder);
  const lock: FolderLock = await lockFolder(folder);
  try {
    const state = new StateStore(await openState(files, folder, beside));
    return { state, release: () => lock.release() };
  } catch (error) {
    lock.release();
    throw error;
  }
}
