/**
 * Files that the driver keeps beside the final-key files. The folder is the stack's, which may put anything under
 * their names: a link to a file of the node, or a FIFO on which opening waits for ever, with a thread of the node.
 */
import { constants, type FileHandle, open, rename, unlink } from "node:fs/promises";
import { errorCode } from "../../src/base/errors.ts";

const careful = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/**
 * Opens one for reading. The caller closes it.
 * @returns undefined where there is none
 * @throws a system error
 */
export async function openOwn(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, constants.O_RDONLY | careful);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Appends to one, which is made if there is none; on disk when it resolves. @throws a system error */
export async function appendOwn(path: string, bytes: Uint8Array): Promise<void> {
  const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | careful;
  const file = await open(path, flags, 0o600);
  try {
    if (!(await file.stat()).isFile()) {
      throw Object.assign(new Error("it is no regular file"), { code: "ENXIO" });
    }
    await file.writeFile(bytes);
    await file.datasync();
  } finally {
    await file.close();
  }
}

/** Replaces one, whatever has its name; on disk when it resolves. @throws a system error */
export async function replaceOwn(folder: string, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  await unlink(temporary).catch((error: unknown) => {
    if (errorCode(error) !== "ENOENT") throw error;
  });
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | careful;
  const file = await open(temporary, flags, 0o600);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
  const names = await open(folder, constants.O_RDONLY | constants.O_DIRECTORY);
  await names.sync().finally(() => names.close());
}
