/**
 * The node's own folder for updates, in its state folder. `drop` in it is where others put bundles; they are
 * read there, never renamed, never removed. `bundle` beside it is the node's own copy, which root takes.
 */
import { createHash } from "node:crypto";
import { constants, type Stats } from "node:fs";
import { type FileHandle, lstat, mkdir, open, rm } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, Fault } from "../../base/errors.ts";

/** A plain name: no separator, no leading dot, at most 128 characters. */
const plainName = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/;
const chunkBytes = 1_048_576;
/** A symbolic link is not followed; a pipe without a writer is not waited for. */
const careful = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;

export class UpdateFolder {
  /** The node's own copy of what is to be installed. Nothing else ever writes to it. */
  readonly bundle: string;
  /** Where others put bundles. */
  readonly drop: string;
  readonly #folder: string;

  /** @param stateFolder the node's, which only the node's user may write to */
  constructor(stateFolder: string) {
    this.#folder = join(stateFolder, "update");
    this.bundle = join(this.#folder, "bundle");
    this.drop = join(this.#folder, "drop");
  }

  /**
   * Makes the folders, and removes what an earlier process left half done.
   * @throws Fault `update` if something else is in their place; system errors
   */
  async prepare(): Promise<void> {
    for (const folder of [this.#folder, this.drop]) {
      await mkdir(folder, { mode: 0o700 }).catch((error) => {
        if (errorCode(error) !== "EEXIST") throw error;
      });
      if (!(await lstat(folder)).isDirectory()) throw new Fault("update", "no folder", { folder });
    }
    await this.remove();
  }

  /** Removes the node's own copy; nothing else. */
  async remove(): Promise<void> {
    await rm(this.bundle, { force: true });
  }

  /**
   * Copies a dropped bundle to {@link bundle}, which must not exist.
   * @param name a plain name in the drop folder
   * @param mostBytes longest bundle, bytes
   * @throws Fault `update` if the name, or what has it, is not a bundle's
   */
  async copy(name: string, mostBytes: number): Promise<void> {
    if (!plainName.test(name)) throw notPlain(this.drop);
    const from = await open(join(this.drop, name), careful).catch((error) => {
      throw unusable(name, errorCode(error) ?? "unknown");
    });
    try {
      const stats = await from.stat();
      const why = wrongWith(stats, mostBytes);
      if (why !== undefined) throw unusable(name, why);
      const to = await open(this.bundle, "wx", 0o600);
      try {
        await copyBytes(from, to, mostBytes);
        await to.sync();
      } finally {
        await to.close();
      }
    } finally {
      await from.close();
    }
  }

  /** SHA-256 of the node's own copy, 64 hexadecimal digits. */
  async hash(): Promise<string> {
    const file = await open(this.bundle, careful);
    try {
      const hash = createHash("sha256");
      for await (const chunk of file.createReadStream({ autoClose: false })) hash.update(chunk);
      return hash.digest("hex");
    } finally {
      await file.close();
    }
  }
}

/** The source of a bundle is neither an address nor a plain name. */
function notPlain(folder: string): Fault {
  const message = "a bundle is at https:// or has a plain name in the drop folder";
  return new Fault("update", message, { source: folder });
}

function unusable(name: string, why: string): Fault {
  return new Fault("update", "the dropped bundle cannot be taken", { source: name, why });
}

/** @returns why a file is no bundle that may be taken */
function wrongWith(stats: Stats, mostBytes: number): string | undefined {
  if (!stats.isFile()) return "not a regular file";
  const own = process.geteuid?.();
  if (own !== undefined && stats.uid !== own && stats.uid !== 0) return "another owner";
  if (stats.nlink !== 1) return "it has another name as well";
  if (stats.size > mostBytes) return "too long";
  return undefined;
}

/** The file may grow while it is read. @throws Fault `update` */
async function copyBytes(from: FileHandle, to: FileHandle, mostBytes: number): Promise<void> {
  const buffer = Buffer.alloc(chunkBytes);
  for (let copied = 0; ; ) {
    const { bytesRead } = await from.read(buffer, 0, chunkBytes, copied);
    if (bytesRead === 0) return;
    if (copied + bytesRead > mostBytes) throw new Fault("update", "the bundle is too long");
    for (let written = 0; written < bytesRead; ) {
      const { bytesWritten } = await to.write(buffer, written, bytesRead - written);
      written += bytesWritten;
    }
    copied += bytesRead;
  }
}
