/**
 * One process for one state folder: two would supply the same key under records that know nothing of
 * each other. Two locks, both of which the kernel takes back the moment their process is gone, however that
 * came, so no stale one can keep a node from starting. A socket in Linux' abstract namespace, named after the
 * folder itself, also where the disk is full; and a lock on a file in the folder, as such a namespace ends where
 * a container does. Node.js locks no files, its SQLite does.
 */
import { open, stat } from "node:fs/promises";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { errorCode, Fault } from "../../base/errors.ts";

export interface FolderLock {
  release(): void;
}

/** There is no room for the file, or no process can change anything there. */
const withoutFile = ["ENOSPC", "EDQUOT", "EROFS"];
/** SQLITE_BUSY */
const busy = 5;

/** @throws Fault `state.locked` if another process has it, `state.io` */
export async function lockFolder(folder: string): Promise<FolderLock> {
  try {
    const { dev, ino, uid, gid } = await stat(folder, { bigint: true });
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path: `\0qkd-node/${dev}/${ino}`, exclusive: true }, resolve);
    });
    server.on("error", () => {});
    server.unref();
    try {
      const file = await lockFile(`${folder}/lock`, Number(uid), Number(gid));
      return {
        release: () => {
          file?.close();
          server.close();
        },
      };
    } catch (error) {
      server.close();
      throw error;
    }
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    const { errcode } = error as { readonly errcode?: number };
    if (code === "EADDRINUSE" || errcode === busy) {
      throw new Fault("state.locked", "another process uses the state folder", { folder });
    }
    throw new Fault("state.io", "cannot lock the state folder", { folder, code });
  }
}

/** @returns undefined where there can be none */
async function lockFile(path: string, uid: number, gid: number): Promise<DatabaseSync | undefined> {
  try {
    const file = await open(path, "a", 0o600);
    try {
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
