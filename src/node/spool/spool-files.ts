/** The files of any module's spool: their names, and how they are destroyed without their key. */
import { errorCode, Fault } from "../../base/errors.ts";
import { type FileSystem, writeAll } from "../../host/disk/files.ts";
import { spoolCheck } from "../ledger/ledger-folder.ts";

export const magic = Buffer.from("QKDSPL1\n");
export const saltLength = 32;
/** The order of arrival, then the block's name. */
export const fileName = /^(\d{12})-([0-9a-f]{16})-(\d{1,16})$/;

/** Of a batch that a driver keeps: the same, of its first block. */
export const batchName = /^(\d{12})-([0-9a-f]{16})-(\d{1,16})\.batch$/;
export const batchSuffix = ".batch";

/** Whether a file is key of a spool, or was to become some. */
export function isOurs(file: string): boolean {
  const name = file.replace(/\.new$/, "");
  return fileName.test(name) || batchName.test(name);
}

/** Whether a write was cut: what it was to replace is there beside it. */
export function isCut(file: string): boolean {
  return file.endsWith(".new") && isOurs(file);
}

/**
 * Destroys what is in a spool's folder, also what cannot be read and what a cut write left. One file that
 * cannot be destroyed does not spare the others.
 * @param known files that are there in any case
 * @param gone called for each that is destroyed
 * @throws Fault `state.io` if anything may be left
 */
export async function emptySpool(
  files: FileSystem,
  folder: string,
  known: readonly string[] = [],
  gone: (file: string) => void = () => {},
): Promise<void> {
  let failed: unknown;
  const attempt = async (act: () => Promise<void>) => {
    await act().catch((error: unknown) => {
      failed ??= error;
    });
  };
  const names = new Set(known);
  await attempt(async () => {
    for (const file of await files.list(folder)) if (isOurs(file)) names.add(file);
  });
  for (const file of names) {
    await attempt(async () => {
      await destroy(files, `${folder}/${file}`);
      gone(file);
    });
  }
  await attempt(() => files.remove(`${folder}/${spoolCheck}`));
  await attempt(() => files.syncFolder(folder));
  if (failed !== undefined) throw failure("cannot empty the spool", { folder }, failed);
}

/** Without its salt a file is noise also to who has the spool's key. */
async function destroy(files: FileSystem, path: string): Promise<void> {
  try {
    const open = await files.open(path, "r+", 0);
    try {
      await writeAll(open, Buffer.alloc(saltLength), magic.length);
      await open.datasync();
    } finally {
      await open.close();
    }
  } catch {
    // What can't be overwritten is removed all the same.
  }
  await files.remove(path);
}

/** @param at the file or the folder that it is about */
export function failure(
  message: string,
  at: { readonly file: string } | { readonly folder: string },
  error: unknown,
): Fault {
  if (error instanceof Fault) return error;
  const code = errorCode(error) ?? "unknown";
  const isMode = code === "EACCES" || code === "EPERM";
  const what = isMode ? `${message}: give it back to the node's user, with its mode` : message;
  return new Fault("state.io", what, { ...at, code });
}
