/**
 * The notification pipe. Opened for reading and writing: the stack may come and go without an end of
 * file, and opening never waits for it. Read by the event loop, never by a thread that waits. What was
 * read of it is gone from it.
 */
import { constants, open } from "node:fs";
import { lstat } from "node:fs/promises";
import { Socket } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { promisify } from "node:util";
import type { NotificationSource } from "./source.ts";

/** What is not read stays in the pipe, also when the node is killed: a few lines at a time, bytes. */
const atOnce = 1_024;

export class NotificationPipe implements NotificationSource {
  readonly #path: string;
  readonly #inode: number;
  readonly #socket: Socket;
  #chunks = 0;
  /** Settles when what was read is taken. */
  #taken: Promise<void> = Promise.resolve();

  private constructor(path: string, inode: number, socket: Socket) {
    this.#path = path;
    this.#inode = inode;
    this.#socket = socket;
  }

  /** @throws a system error */
  static async open(
    path: string,
    inode: number,
    onBytes: (chunk: Buffer) => Promise<void>,
  ): Promise<NotificationPipe> {
    // A plain descriptor, which the socket owns from here on; a FileHandle would close it again.
    const fd = await promisify(open)(path, constants.O_RDWR | constants.O_NONBLOCK);
    const socket = new Socket({
      fd,
      readable: true,
      writable: false,
      onread: {
        buffer: Buffer.alloc(atOnce),
        callback: (length, bytes) => {
          pipe.#take(onBytes(Buffer.from(bytes.subarray(0, length))));
          return false;
        },
      },
    });
    const pipe = new NotificationPipe(path, inode, socket);
    socket.on("error", () => socket.destroy());
    socket.resume();
    return pipe;
  }

  #take(taken: Promise<void>): void {
    this.#chunks++;
    this.#taken = taken;
    void taken.finally(() => {
      if (!this.#socket.destroyed) this.#socket.resume();
    });
  }

  /** What is in the pipe may be new. */
  async past(): Promise<void> {}

  /** The event loop has looked at the pipe, and nothing was there: a node that stood still may be late. */
  async drained(): Promise<void> {
    for (let quiet = 0; quiet < 3 && !this.#socket.destroyed; ) {
      await this.#taken;
      const before = this.#chunks;
      await turn();
      quiet = this.#chunks === before ? quiet + 1 : 0;
    }
  }

  /** Whether the pipe under its name is still the one that is open. */
  async current(): Promise<boolean> {
    if (this.#socket.destroyed) return false;
    return lstat(this.#path).then(
      ({ ino }) => ino === this.#inode,
      () => false,
    );
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#socket.destroyed) return resolve();
      this.#socket.once("close", () => resolve());
      this.#socket.destroy();
    });
  }
}
