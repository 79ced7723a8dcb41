/** The final-key folder: listing, reading and removing files, in memory that can be wiped. */
import { type BigIntStats, constants } from "node:fs";
import { type FileHandle, lstat, open, opendir, unlink } from "node:fs/promises";
import { join } from "node:path";
import { errorCode, Fault } from "../../src/base/errors.ts";
import { keyMemory } from "../../src/port/key.ts";
import type { DriverContext, Held } from "../../src/port/module.ts";
import {
  epochOf,
  type FileHeader,
  fileLength,
  fileName,
  headerLength,
  parseHeader,
  swapWords,
} from "./file.ts";

/** What came of reading a file. */
export type Read =
  | {
      readonly kind: "key";
      readonly header: FileHeader;
      readonly bytes: Buffer;
      /** As {@link KeyFolder.stamp} tells it. */
      readonly stamp: string;
    }
  | { readonly kind: "header"; readonly header: FileHeader }
  | { readonly kind: "incomplete" }
  | { readonly kind: "gone" }
  /** We may not, or the machine cannot just now: nothing is known of what is in it. */
  | { readonly kind: "closed"; readonly why: string }
  | { readonly kind: "bad"; readonly why: string };

/** Of the machine, a mode that a person sets, or a file system of a network: what is in the file may be good. */
const closedCodes: readonly unknown[] = [
  ...["EACCES", "EPERM", "EMFILE", "ENFILE", "ENOMEM", "ERR_MEMORY_ALLOCATION_FAILED"],
  ...["EAGAIN", "EINTR", "ESTALE", "ETIMEDOUT", "ENOTCONN", "EHOSTDOWN", "ENODEV", "ESHUTDOWN"],
];
/** Names looked at in one listing: a folder with more is a fault of the stack, not of ours. */
const maxNames = 200_000;
/** A stack that goes on while its files are destroyed is followed so many times. */
const mostRounds = 8;

export class KeyFolder {
  readonly #path: string;
  readonly #maxBlockBytes: number;
  #inode: number;
  #held: Held | undefined;

  private constructor(path: string, maxBlockBytes: number, inode: number, held?: Held) {
    this.#path = path;
    this.#maxBlockBytes = maxBlockBytes;
    this.#inode = inode;
    this.#held = held;
  }

  /**
   * @param hold keeps other processes from it until {@link close}
   * @throws Fault `link.open`
   */
  static async open(
    path: string,
    maxBlockBytes: number,
    hold?: DriverContext["hold"],
  ): Promise<KeyFolder> {
    const fault = (what: string) => new Fault("link.open", what, { source: path });
    try {
      const found = await lstat(path);
      if (!found.isDirectory()) throw fault("final-key folder is not a folder");
      const held = await hold?.(path);
      if (hold !== undefined && held === undefined) throw fault("another process has the folder");
      return new KeyFolder(path, maxBlockBytes, found.ino, held);
    } catch (error) {
      if (error instanceof Fault) throw error;
      const missing = errorCode(error) === "ENOENT";
      throw fault(missing ? "there is no final-key folder" : `folder: ${errorCode(error)}`);
    }
  }

  /** Lets another process have the folder. */
  close(): void {
    this.#held?.release();
    this.#held = undefined;
  }

  /** Start epochs of all final-key files. @throws Fault `link.closed` if the folder is gone */
  async list(): Promise<number[]> {
    try {
      if ((await lstat(this.#path)).ino !== this.#inode) throw new Error("another folder");
      const epochs: number[] = [];
      const folder = await opendir(this.#path, { bufferSize: 256 });
      for await (const { name } of folder) {
        const epoch = epochOf(name);
        if (epoch !== undefined) epochs.push(epoch);
        if (epochs.length >= maxNames) break;
      }
      return epochs;
    } catch (error) {
      const code = errorCode(error) ?? "replaced";
      const facts = { source: this.#path, code };
      throw new Fault("link.closed", "final-key folder cannot be listed", facts);
    }
  }

  /**
   * Reads a block.
   * @param room most bytes of key that are wanted now; a longer block is told by its header alone
   */
  async read(epoch: number, room: number): Promise<Read> {
    let file: FileHandle;
    try {
      // No link is followed, and a FIFO under that name must not make us wait.
      const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
      file = await open(join(this.#path, fileName(epoch)), flags);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOENT") return { kind: "gone" };
      if (code === "ELOOP") return { kind: "bad", why: "it is a link" };
      return unread("cannot be opened", code);
    }
    try {
      return await this.#readOpen(file, epoch, room);
    } catch (error) {
      return unread("cannot be read", errorCode(error));
    } finally {
      await file.close();
    }
  }

  async #readOpen(file: FileHandle, epoch: number, room: number): Promise<Read> {
    const stat = await file.stat({ bigint: true });
    if (!stat.isFile()) return { kind: "bad", why: "it is not a regular file" };
    if (stat.size < headerLength) return { kind: "incomplete" };
    const head = Buffer.alloc(headerLength);
    if ((await file.read(head, 0, headerLength, 0)).bytesRead < headerLength) {
      return { kind: "incomplete" };
    }
    const header = parseHeader(head);
    if (header === undefined) return { kind: "bad", why: "it is not a final-key file" };
    if (header.epoch !== epoch) return { kind: "bad", why: "it has another epoch than its name" };
    const length = Math.ceil(header.bits / 8);
    if (length > this.#maxBlockBytes) return { kind: "bad", why: "it is longer than allowed" };
    const whole = fileLength(header.bits);
    if (stat.size < whole) return { kind: "incomplete" };
    if (stat.size > whole) return { kind: "bad", why: "it is longer than it says" };
    if (length > room) return { kind: "header", header };
    const words = keyMemory(whole - headerLength);
    let bytes: Buffer;
    try {
      for (let at = 0; at < words.length; ) {
        const { bytesRead } = await file.read(words, at, words.length - at, headerLength + at);
        if (bytesRead === 0) return { kind: "incomplete" };
        at += bytesRead;
      }
      swapWords(words);
      bytes = keyMemory(length);
      words.copy(bytes, 0, 0, length);
    } finally {
      words.fill(0);
    }
    const spare = length * 8 - header.bits;
    if (spare > 0 && ((bytes.at(-1) as number) & ((1 << spare) - 1)) !== 0) {
      bytes.fill(0);
      return { kind: "bad", why: "bits after the end of the key are not zero" };
    }
    return { kind: "key", header, bytes, stamp: stampOf(stat) };
  }

  /**
   * Tells whether a block's file is the one that was read: another one under its name, or one that was
   * written to since, has another stamp.
   * @returns undefined if there is none, or it cannot be looked at
   */
  async stamp(epoch: number): Promise<string | undefined> {
    try {
      return stampOf(await lstat(join(this.#path, fileName(epoch)), { bigint: true }));
    } catch {
      return undefined;
    }
  }

  /**
   * Deletes blocks and makes that durable; a file that is not there is deleted already.
   * @throws Fault `link.closed`
   */
  async remove(epochs: readonly number[]): Promise<void> {
    try {
      for (const epoch of epochs) await this.#unlink(epoch);
      await this.#sync();
    } catch (error) {
      throw this.#notDeleted(error);
    }
  }

  /**
   * Overwrites and deletes every block, also those that come meanwhile; one that can't be deleted does
   * not spare the others.
   * @returns their epochs
   * @throws Fault `link.closed` if anything may be left
   */
  async destroy(): Promise<number[]> {
    const destroyed = new Set<number>();
    const left = new Set<number>();
    let failed: unknown;
    const attempt = async (act: () => Promise<void>) => {
      await act().catch((error: unknown) => {
        failed ??= error;
      });
    };
    for (let round = 0; round < mostRounds; round++) {
      const epochs = (await this.list()).filter((epoch) => !left.has(epoch));
      if (epochs.length === 0) break;
      for (const epoch of epochs) {
        // A folder of that name is no key, and is not emptied.
        left.add(epoch);
        await attempt(async () => {
          const path = join(this.#path, fileName(epoch));
          if ((await lstat(path)).isDirectory()) return;
          await this.#overwrite(path);
          await this.#unlink(epoch);
          left.delete(epoch);
          destroyed.add(epoch);
        });
      }
    }
    await attempt(() => this.#sync());
    if (failed !== undefined) throw this.#notDeleted(failed);
    return [...destroyed];
  }

  async #unlink(epoch: number): Promise<void> {
    await unlink(join(this.#path, fileName(epoch))).catch((error) => {
      if (errorCode(error) !== "ENOENT") throw error;
    });
  }

  async #sync(): Promise<void> {
    const folder = await open(this.#path, constants.O_RDONLY | constants.O_DIRECTORY);
    await folder.sync().finally(() => folder.close());
  }

  #notDeleted(error: unknown): Fault {
    const facts = { source: this.#path, code: errorCode(error) ?? "unknown" };
    return new Fault("link.closed", "final-key file cannot be deleted", facts);
  }

  async #overwrite(path: string): Promise<void> {
    try {
      const file = await open(
        path,
        constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
      );
      try {
        const { size } = await file.stat();
        const zeros = Buffer.alloc(Math.min(size, 65_536));
        for (let at = 0; at < size; at += zeros.length) {
          await file.write(zeros, 0, Math.min(zeros.length, size - at), at);
        }
        await file.sync();
      } finally {
        await file.close();
      }
    } catch {
      // What can't be overwritten is deleted all the same.
    }
  }
}

function unread(what: string, code = "unknown"): Read {
  return { kind: closedCodes.includes(code) ? "closed" : "bad", why: `${what}: ${code}` };
}

function stampOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino} ${size} ${mtimeNs}`;
}
