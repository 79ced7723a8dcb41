/**
 * One process for one state folder: two would supply the same key under records that know nothing of
 * each other. Two locks, both of which the kernel takes back the moment their process is gone, however that
 * came, so no stale one can keep a node from starting. A socket in Linux' abstract namespace, named after the
 * folder itself, also where the disk is full; and a lock on a file in the folder, as such a namespace ends where
 * a container does. Node.js locks no files, its SQLite does. Any user can take such a name: one that a stranger
 * has locks nothing, and the file alone does then.
 */
import { constants } from "node:fs";
import { open, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { errorCode, Fault } from "../../base/errors.ts";
import { isOurs } from "./socket-holder.ts";

export interface FolderLock {
  release(): void;
}

/** There is no room for the file, or no process can change anything there. */
const withoutFile = ["ENOSPC", "EDQUOT", "EROFS"];
/** SQLITE_BUSY */
const busy = 5;
/** A link is not followed to a file that is another's, and a pipe without a reader keeps no process waiting. */
const careful = constants.O_NOFOLLOW | constants.O_NONBLOCK;

/** @throws Fault `state.locked` if another process has it, `state.io` */
export async function lockFolder(folder: string): Promise<FolderLock> {
  let file = folder;
  try {
    const { dev, ino, uid, gid } = await stat(folder, { bigint: true });
    const release = await lockNameOf(`qkd-node/${dev}/${ino}`, Number(uid));
    try {
      file = `${folder}/lock`;
      const db = await lockFile(file, Number(uid), Number(gid));
      if (db === undefined && release === undefined) throw locked(folder);
      return {
        release: () => {
          db?.close();
          release?.();
        },
      };
    } catch (error) {
      release?.();
      throw error;
    }
  } catch (error) {
    if (error instanceof Fault) throw error;
    if (isTaken(error)) throw locked(folder);
    const code = errorCode(error) ?? "unknown";
    throw new Fault("state.io", "cannot lock the state folder", { file, code });
  }
}

function locked(folder: string): Fault {
  return new Fault("state.locked", "another process uses the state folder", { folder });
}

/** Whether another has the lock, of all that {@link lockName} and {@link lockFile} throw. */
export function isTaken(error: unknown): boolean {
  return errorCode(error) === "EADDRINUSE" || (error as { errcode?: number }).errcode === busy;
}

/**
 * {@link lockName} for what a file locks as well. It comes before the file: to close that would lose another lock that
 * this process has on it.
 * @param owner user of the folder
 * @returns undefined if a stranger has it: then it locks nothing
 */
export async function lockNameOf(name: string, owner: number): Promise<(() => void) | undefined> {
  try {
    return await lockName(name);
  } catch (error) {
    if (isTaken(error) && !(await isOurs(name, owner))) return undefined;
    throw error;
  }
}

/** Takes a name for this process, on this machine or in this container. @returns what gives it back @throws a system error */
export async function lockName(name: string): Promise<() => void> {
  const server = createServer((socket) => socket.destroy());
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen({ path: `\0${name}`, exclusive: true }, resolve);
  });
  server.on("error", () => {});
  server.unref();
  return () => server.close();
}

/** @returns undefined where there can be none @throws a system error, one of SQLite */
export async function lockFile(
  path: string,
  uid: number,
  gid: number,
): Promise<DatabaseSync | undefined> {
  try {
    const flags = constants.O_WRONLY | constants.O_APPEND | constants.O_CREAT | careful;
    const file = await open(path, flags, 0o600);
    try {
      if (!(await file.stat()).isFile()) {
        throw Object.assign(new Error("the lock is no file"), { code: "ENOTFILE" });
      }
      // Nothing is ever in it.
      await file.truncate(0);
      // What root looks at stays its owner's.
      if (process.getuid?.() === 0) await file.chown(uid, gid);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (withoutFile.includes(errorCode(error) ?? "")) return undefined;
    throw error;
  }
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}
