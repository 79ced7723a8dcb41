/**
 * The file access of everything that must survive a power cut, behind one small interface, so that
 * tests can fail or cut any operation of it.
 */
import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { errorCode, Fault } from "../../base/errors.ts";
import { withDescriptor } from "./descriptors.ts";
import { makeFolders } from "./folders.ts";

export interface OpenFile {
  read(
    target: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesRead: number }>;
  write(
    source: Buffer,
    offset: number,
    length: number,
    position: number,
  ): Promise<{ bytesWritten: number }>;
  /** Makes data and length durable. */
  datasync(): Promise<void>;
  truncate(length: number): Promise<void>;
  /**
   * @returns length, bytes; where the file system knows of it, who owns it, and how many names it has: none if it was
   *   removed, or another was put in its place
   */
  stat(): Promise<{ size: number; uid?: number; nlink?: number }>;
  close(): Promise<void>;
}

/**
 * Flags of a file that is there and of which each write is durable when it is answered: one call where a write and
 * {@link OpenFile.datasync} are two, each with a thread that is woken for it, and a turn of the event loop.
 */
export const durableWrites = "rs+";

/**
 * Flags of a file that is there, to be read or changed, and of nothing else: a symbolic link to one is refused as `ELOOP`, a folder
 * as `EISDIR`.
 */
export const noLink = { read: "rn", change: "rn+" } as const;

export interface FileSystem {
  /** @param flags as of open(2) in Node's notation: `r+`, `wx`, {@link durableWrites}, … */
  open(path: string, flags: string, mode: number): Promise<OpenFile>;
  rename(from: string, to: string): Promise<void>;
  remove(path: string): Promise<void>;
  /** Names of what is in a folder. */
  list(path: string): Promise<string[]>;
  /** Makes a folder that may exist already, for its owner alone. */
  makeFolder(path: string): Promise<void>;
  /** Makes what was created, renamed or removed in a folder durable. */
  syncFolder(path: string): Promise<void>;
}

const {
  O_APPEND,
  O_CREAT,
  O_EXCL,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_SYNC,
  O_TRUNC,
  O_WRONLY,
} = constants;
const numbers: Readonly<Record<string, number>> = {
  r: O_RDONLY,
  "r+": O_RDWR,
  [noLink.read]: O_RDONLY | O_NOFOLLOW,
  [noLink.change]: O_RDWR | O_NOFOLLOW,
  [durableWrites]: O_RDWR | O_SYNC,
  a: O_WRONLY | O_CREAT | O_APPEND,
  w: O_WRONLY | O_CREAT | O_TRUNC,
  wx: O_WRONLY | O_CREAT | O_EXCL,
  "wx+": O_RDWR | O_CREAT | O_EXCL,
};

/**
 * A pipe or a device in place of a file is refused: to open a pipe waits for its other end, in a thread that nothing
 * ends, and a device takes what is written without keeping it.
 */
async function openFile(path: string, flags: string, mode: number): Promise<OpenFile> {
  const number = numbers[flags];
  if (number === undefined) throw new RangeError(`no such flags: ${flags}`);
  const file = await withDescriptor(() => fs.open(path, number | O_NONBLOCK | O_NOCTTY, mode));
  try {
    const stats = await file.stat();
    // Some file systems have folders of no length, which nothing else tells from a file that was cut.
    if (stats.isDirectory() && (number & O_NOFOLLOW) !== 0)
      throw Object.assign(new Error("it is a folder"), { code: "EISDIR", path });
    // What a folder is good for it says itself.
    if (stats.isFile() || stats.isDirectory()) return named(path, file);
    throw Object.assign(new Error("it is a pipe or a device"), { code: "ENOTFILE", path });
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Of what fails in an open file the system does not say which file it was: its errors get the `path` of those of open(2). */
function named(path: string, file: fs.FileHandle): OpenFile {
  const naming = async <T>(done: Promise<T>): Promise<T> => {
    try {
      return await done;
    } catch (error) {
      if (error instanceof Error) Object.assign(error, { path });
      throw error;
    }
  };
  return {
    read: (...all) => naming(file.read(...all)),
    write: (...all) => naming(file.write(...all)),
    datasync: () => naming(file.datasync()),
    truncate: (length) => naming(file.truncate(length)),
    async stat() {
      const stats = await naming(file.stat());
      const { size, uid, nlink } = stats;
      // Of a folder that counts the folders in it, too.
      return stats.isFile() ? { size, uid, nlink } : { size, uid };
    },
    close: () => naming(file.close()),
  };
}

export const diskFiles: FileSystem = {
  open: openFile,
  rename: (from, to) => fs.rename(from, to),
  remove: (path) => fs.rm(path, { force: true }),
  list: (path) => withDescriptor(() => fs.readdir(path)),
  async makeFolder(path) {
    await makeFolders(path, 0o700);
  },
  async syncFolder(path) {
    const folder = await withDescriptor(() => fs.open(path, "r"));
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
};

/** Whether something has this name. @throws a system error */
export async function exists(files: FileSystem, path: string): Promise<boolean> {
  try {
    await (await files.open(path, "r", 0)).close();
    return true;
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT") return false;
    // What it is, opening it to be read says by its name.
    if (code === "ENOTFILE") return true;
    throw error;
  }
}

/**
 * Reads a whole file of at most `limit` bytes; undefined if there is none.
 * @throws Fault `state.owner` if another user could change it at any time; a system error
 */
export async function readWhole(
  files: FileSystem,
  path: string,
  limit: number,
): Promise<Buffer | undefined> {
  let file: OpenFile;
  try {
    file = await files.open(path, "r", 0);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
  try {
    const { size, uid } = await file.stat();
    const own = process.geteuid?.();
    if (uid !== undefined && own !== undefined && uid !== own) {
      throw new Fault("state.owner", "file belongs to another user", { file: path, uid, own });
    }
    if (size > limit) throw new RangeError(`file is longer than ${limit} bytes`);
    const bytes = Buffer.alloc(size);
    let at = 0;
    while (at < size) {
      const { bytesRead } = await file.read(bytes, at, size - at, at);
      if (bytesRead === 0) break;
      at += bytesRead;
    }
    return bytes.subarray(0, at);
  } finally {
    await file.close();
  }
}

/** Writes all of `bytes` at `position`; a short write goes on where it stopped. */
export async function writeAll(file: OpenFile, bytes: Buffer, position: number): Promise<void> {
  let at = 0;
  while (at < bytes.length) {
    const { bytesWritten } = await file.write(bytes, at, bytes.length - at, position + at);
    at += bytesWritten;
  }
}

/** Replaces a file as a whole: either the old or the new content is there after a power cut. */
export async function replaceFile(files: FileSystem, path: string, bytes: Buffer): Promise<void> {
  const temporary = `${path}.new`;
  await files.remove(temporary);
  const file = await files.open(temporary, "wx", 0o600);
  try {
    await writeAll(file, bytes, 0);
    await file.datasync();
  } finally {
    await file.close();
  }
  await files.rename(temporary, path);
  await files.syncFolder(path.slice(0, path.lastIndexOf("/")) || "/");
}
