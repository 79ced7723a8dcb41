/**
 * A file that the stack was given instead of a pipe. It appends to it, and empties it when it starts:
 * nothing is lost that was said while the node was down, or was killed.
 */
import { constants, type FileHandle, lstat, open } from "node:fs/promises";
import { errorCode, Fault } from "../../src/base/errors.ts";
import type { NotificationSource } from "./source.ts";

const chunk = 65_536;
/** By its beginning a file is known that was emptied and written anew, bytes. */
const headLength = 64;

export class NotificationFile implements NotificationSource {
  readonly #path: string;
  readonly #inode: number;
  readonly #file: FileHandle;
  readonly #onBytes: (chunk: Buffer) => Promise<void>;
  /** Its length when it was opened, bytes. */
  readonly #begun: number;
  #at = 0;
  #head = Buffer.alloc(0);
  #reading: Promise<void> | undefined;
  #closed = false;

  private constructor(
    path: string,
    inode: number,
    file: FileHandle,
    begun: number,
    onBytes: (chunk: Buffer) => Promise<void>,
  ) {
    this.#path = path;
    this.#begun = begun;
    this.#inode = inode;
    this.#file = file;
    this.#onBytes = onBytes;
  }

  /** @throws a system error */
  static async open(
    path: string,
    inode: number,
    onBytes: (chunk: Buffer) => Promise<void>,
  ): Promise<NotificationFile> {
    const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
    const { size } = await file.stat();
    return new NotificationFile(path, inode, file, size, onBytes);
  }

  past(): Promise<void> {
    return this.#readTo(this.#begun);
  }

  drained(): Promise<void> {
    return this.#readTo(Number.POSITIVE_INFINITY);
  }

  async current(): Promise<boolean> {
    if (this.#closed) return false;
    return lstat(this.#path).then(
      ({ ino }) => ino === this.#inode,
      () => false,
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#reading;
    await this.#file.close();
  }

  /** One after the other: what is being read may have begun before the line was written. */
  #readTo(end: number): Promise<void> {
    const reading = (this.#reading ?? Promise.resolve()).then(() => this.#read(end));
    this.#reading = reading.catch(() => {});
    return reading;
  }

  async #read(end: number): Promise<void> {
    const bytes = Buffer.alloc(chunk);
    try {
      await this.#look(bytes);
      while (!this.#closed && this.#at < end) {
        const length = Math.min(chunk, end - this.#at);
        const { bytesRead } = await this.#file.read(bytes, 0, length, this.#at);
        if (bytesRead === 0) return;
        this.#at += bytesRead;
        await this.#onBytes(bytes.subarray(0, bytesRead));
      }
    } catch (error) {
      const facts = { source: this.#path, code: errorCode(error) ?? "unknown" };
      throw new Fault("link.closed", "notification file cannot be read", facts);
    }
  }

  /** A stack that has started again empties the file, and says everything from the beginning. */
  async #look(bytes: Buffer): Promise<void> {
    const { bytesRead } = await this.#file.read(bytes, 0, headLength, 0);
    const head = Buffer.from(bytes.subarray(0, bytesRead));
    const same = head.subarray(0, this.#head.length).equals(this.#head);
    const shorter = (await this.#file.stat()).size < this.#at;
    this.#head = head;
    if (same && !shorter) return;
    this.#at = 0;
    // Half a line of before must not be taken for the beginning of this one.
    await this.#onBytes(Buffer.from("\n"));
  }
}
