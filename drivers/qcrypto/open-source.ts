/** Opens what the stack was given as its notification pipe. */
import { lstat } from "node:fs/promises";
import { errorCode, Fault } from "../../src/base/errors.ts";
import { NotificationFile } from "./notification-file.ts";
import { NotificationPipe } from "./pipe.ts";
import type { NotificationSource } from "./source.ts";

/**
 * @param onBytes called with what was read; what comes next is read when it has settled
 * @throws Fault `link.open`
 */
export async function openSource(
  path: string,
  onBytes: (chunk: Buffer) => Promise<void>,
): Promise<NotificationSource> {
  const fault = (what: string) => new Fault("link.open", what, { source: path });
  try {
    const found = await lstat(path);
    if (found.isFIFO()) return await NotificationPipe.open(path, found.ino, onBytes);
    if (found.isFile()) return await NotificationFile.open(path, found.ino, onBytes);
    throw fault("notification pipe is neither a FIFO nor a file");
  } catch (error) {
    if (error instanceof Fault) throw error;
    const missing = errorCode(error) === "ENOENT";
    throw fault(missing ? "there is no notification pipe" : `pipe: ${errorCode(error)}`);
  }
}
