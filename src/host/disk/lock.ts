/**
 * One process for one state folder: two would supply the same key under records that know nothing of
 * each other. The lock is a socket in Linux' abstract namespace, named after the folder itself: the
 * kernel takes it back the moment its process is gone, however that came, so no stale lock can keep a
 * node from starting.
 */
import { stat } from "node:fs/promises";
import { createServer } from "node:net";
import { errorCode, Fault } from "../../base/errors.ts";

export interface FolderLock {
  release(): void;
}

/** @throws Fault `state.locked` if another process has it, `state.io` */
export async function lockFolder(folder: string): Promise<FolderLock> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true });
    const server = createServer((socket) => socket.destroy());
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ path: `\0qkd-node/${dev}/${ino}`, exclusive: true }, resolve);
    });
    server.on("error", () => {});
    server.unref();
    return { release: () => server.close() };
  } catch (error) {
    const code = errorCode(error) ?? "unknown";
    if (code === "EADDRINUSE") {
      throw new Fault("state.locked", "another process uses the state folder", { folder });
    }
    throw new Fault("state.io", "cannot lock the state folder", { folder, code });
  }
}
