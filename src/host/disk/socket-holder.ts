/**
 * Who has a name in Linux' abstract namespace. Any user of the machine can take one there, and keep a program from
 * starting by it; that it is a lock of ours follows from whose process has it.
 */
import { readdir, readFile, readlink } from "node:fs/promises";

/**
 * Whether a process of root, of this process's user or of `owner` has it, as far as this process may look: a
 * user sees the sockets of its own processes, root those of all.
 * @returns also true where the machine does not show its sockets
 */
export async function isOurs(name: string, owner: number): Promise<boolean> {
  const sockets = await socketsOf(name).catch(() => undefined);
  if (sockets === undefined) return true;
  const users = [0, process.getuid?.(), owner];
  const processes = (await readdir("/proc")).filter((entry) => /^\d+$/.test(entry));
  for (const one of processes) {
    try {
      if (users.includes(await userOf(one)) && (await hasOne(one, sockets))) return true;
    } catch {
      // It ended meanwhile, or this process may not look at it.
    }
  }
  return false;
}

/** The owner of its folder in `/proc` is root for one that shows nothing of its memory, whichever user runs it. */
async function userOf(processId: string): Promise<number> {
  const status = await readFile(`/proc/${processId}/status`, "latin1");
  return Number(/^Uid:\t(\d+)/m.exec(status)?.[1] ?? Number.NaN);
}

/** As they are seen among a process's files. */
async function socketsOf(name: string): Promise<ReadonlySet<string>> {
  const lines = (await readFile("/proc/self/net/unix", "latin1")).split("\n");
  // Num RefCount Protocol Flags Type St Inode Path
  const columns = lines.map((line) => line.split(" ").filter((column) => column !== ""));
  const named = columns.filter(([, , , , , , , path]) => path === `@${name}`);
  return new Set(named.map(([, , , , , , inode]) => `socket:[${inode}]`));
}

async function hasOne(processId: string, sockets: ReadonlySet<string>): Promise<boolean> {
  const folder = `/proc/${processId}/fd`;
  for (const file of await readdir(folder)) {
    const target = await readlink(`${folder}/${file}`).catch(() => "");
    if (sockets.has(target)) return true;
  }
  return false;
}
