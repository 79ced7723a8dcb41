/**
 * Files of a store have one name: what is used, and its key overwritten, under one name is changed for the store that
 * has the other. A copy of hard links (`cp -al`), or a link to a file of another store, would make two stores of one.
 */
import { lstatSync } from "node:fs";
import { errorCode, Fault } from "../../../base/errors.ts";
import { type FileSystem, noLink, type OpenFile } from "../../../host/disk/files.ts";
import type { LoadHow } from "./names-in.ts";

/** Why a file is not taken, as the thread of the books tells it. */
export const notOwn = {
  names: "it has another name as well (a copy of hard links?): copy the store with all its bytes",
  link: "it is a symbolic link: put the file itself in its place",
  kind: "it is no file",
} as const;

export type NotOwn = keyof typeof notOwn;

/** @throws Error with the `path`, and a message of {@link NotOwn} @param path of the books */
export function assertOwnBooks(path: string): void {
  for (const name of [path, `${path}-wal`, `${path}-shm`]) {
    const stats = lstatSync(name, { throwIfNoEntry: false });
    if (stats === undefined) continue;
    const why = stats.isSymbolicLink() ? "link" : stats.isFile() ? undefined : "kind";
    const found = why ?? (stats.nlink > 1 ? "names" : undefined);
    if (found !== undefined) throw Object.assign(new Error(found), { path: name });
  }
}

export function notOwnFault(file: string, why: NotOwn): Fault {
  return new Fault("km_store.io", "a file of the store is not its own", {
    file,
    reason: notOwn[why],
  });
}

/**
 * Opens a segment or a volume. @returns it, and how long it is, bytes
 * @throws a system error; Fault `km_store.io` if it is not of this store alone
 */
export async function openOwn(
  files: FileSystem,
  path: string,
  how: LoadHow,
): Promise<{ readonly file: OpenFile; readonly size: number }> {
  const flags = how === "clean" ? noLink.change : noLink.read;
  const file = await files.open(path, flags, 0o600).catch((error: unknown) => {
    if (errorCode(error) === "ELOOP") throw notOwnFault(path, "link");
    throw error;
  });
  try {
    const { size, nlink = 1 } = await file.stat();
    if (nlink > 1) throw notOwnFault(path, "names");
    return { file, size };
  } catch (error) {
    await file.close();
    throw error;
  }
}
