/**
 * Who is at the other end of a local socket. Node.js cannot ask the kernel (SO_PEERCRED), so the client
 * proves it: it makes a folder of a name that only it was told, and the kernel says who made it.
 *
 * It must be a folder: a file could be a hard link to another user's, and another user's folder
 * cannot be moved here without a right to write to it. No user can list, rename or remove what others
 * make here (mode 1733). For the audit; what a client may do is decided by the modes of the sockets.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, lstatSync, mkdirSync, readdirSync, rmdirSync } from "node:fs";
import { join } from "node:path";
import { Fault } from "../../base/errors.ts";

export class ProofFolder {
  readonly #path: string;

  /** @throws Fault `link.open`, a system error */
  constructor(path: string) {
    this.#path = path;
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const stats = lstatSync(path);
    if (!stats.isDirectory() || stats.uid !== process.getuid?.()) {
      throw new Fault("link.open", "something else is in its place", { path });
    }
    // Write and search; the sticky bit keeps users from each other's files.
    chmodSync(path, 0o1733);
  }

  /** What the client has to make. */
  challenge(): string {
    return join(this.#path, randomBytes(16).toString("hex"));
  }

  /** @returns who made it: 65534 for anybody whom the node's user namespace does not know */
  check(path: string): number | undefined {
    try {
      const stats = lstatSync(path);
      rmdirSync(path);
      return stats.isDirectory() ? stats.uid : undefined;
    } catch {
      return undefined;
    }
  }

  /** Removes it, and what clients left. */
  close(): void {
    try {
      for (const name of readdirSync(this.#path)) rmdirSync(join(this.#path, name));
      rmdirSync(this.#path);
    } catch {
      // The next start takes it over.
    }
  }
}
