/**
 * One process for one device or folder of a module: two nodes would each be offered its blocks, and supply them. Serial
 * ports have a lock of their own; a folder of files, and a card of which opening begins anew, have none.
 */
import type { BigIntStats } from "node:fs";
import { stat } from "node:fs/promises";
import { type FolderLock, isTaken, lockFile, lockName, lockNameOf } from "./lock.ts";

/**
 * Has a device or a folder for this process alone. In a folder there is a file `.lock` for it as well, which processes
 * in other containers see.
 * @returns undefined if another has it. What is not there, or takes no lock, is held by a name alone, or not at all: to
 *   open it says what is wrong with it
 */
export async function hold(path: string): Promise<FolderLock | undefined> {
  let found: BigIntStats;
  try {
    found = await stat(path, { bigint: true });
  } catch {
    return { release: () => {} };
  }
  // A device may have a node in more than one place.
  const isDevice = found.isCharacterDevice() || found.isBlockDevice();
  const which = isDevice ? `device/${found.rdev}` : `${found.dev}/${found.ino}`;
  const name = `qkd-node/module/${which}`;
  const [uid, gid] = [Number(found.uid), Number(found.gid)];
  let release: (() => void) | undefined;
  try {
    if (!found.isDirectory()) return { release: await lockName(name) };
    release = await lockNameOf(name, uid);
    const file = await lockFile(`${path}/.lock`, uid, gid);
    if (file === undefined && release === undefined) return undefined;
    return {
      release: () => {
        file?.close();
        release?.();
      },
    };
  } catch (error) {
    if (!isTaken(error)) return { release: release ?? (() => {}) };
    release?.();
    return undefined;
  }
}
