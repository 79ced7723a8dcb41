/** Folders, made with those above them. */
import { mkdir, stat } from "node:fs/promises";
import { dirname } from "node:path";
import { errorCode } from "../../base/errors.ts";

/**
 * Makes a folder that may exist already, and those above it. Not by the runtime's own `recursive`: that tells of a
 * read-only disk as if the folder's parent were missing (ENOENT), and never ends where the kernel says so of a parent
 * that is there, as in `/proc`.
 * @param mode of each that is made @throws a system error: that of the first which cannot be made
 */
export async function makeFolders(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (await isFolder(path)) return;
    const parent = dirname(path);
    // A parent that is there is not what is missing.
    if (errorCode(error) !== "ENOENT" || parent === path || (await isFolder(parent))) throw error;
    await makeFolders(parent, mode);
    await makeFolder(path, mode);
  }
}

/** Once: what is removed as fast as it is made must not be made for ever. */
async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!(await isFolder(path))) throw error;
  }
}

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}
