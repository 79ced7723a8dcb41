/**
 * The notification pipe. Opened for reading and writing: the stack may come and go without an end of
 * file, and opening never waits for it. Read by the event loop, never by a thread that waits.
 */
import { constants, open } from "node:fs";
import { lstat } from "node:fs/promises";
import { Socket } from "node:net";
import { promisify } from "node:util";
import { errorCode, Fault } from "../../src/port/errors.ts";

export class NotificationPipe {
  readonly #path: string;
  readonly #inode: number;
  readonly #socket: Socket;

  private constructor(path: string, inode: number, socket: Socket) {
    this.#path = path;
    this.#inode = inode;
    this.#socket = socket;
  }

  /** @throws Fault `link.open` */
  static async open(path: string, onBytes: (chunk: Buffer) => void): Promise<NotificationPipe> {
    const fault = (what: string) => new Fault("link.open", what, { source: path });
    try {
      const found = await lstat(path);
      if (!found.isFIFO()) throw fault("notification pipe is not a FIFO");
      // A plain descriptor, which the socket owns from here on; a FileHandle would close it again.
      const fd = await promisify(open)(path, constants.O_RDWR | constants.O_NONBLOCK);
      const socket = new Socket({ fd, readable: true, writable: false });
      socket.on("data", onBytes);
      socket.on("error", () => socket.destroy());
      return new NotificationPipe(path, found.ino, socket);
    } catch (error) {
      if (error instanceof Fault) throw error;
      const missing = errorCode(error) === "ENOENT";
      throw fault(missing ? "there is no notification pipe" : `pipe: ${errorCode(error)}`);
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
