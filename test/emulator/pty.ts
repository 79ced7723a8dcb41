/**
 * A pseudo-terminal, made with libc through koffi: no program but this one is needed. The slave is
 * what a node opens as its serial port; the master is read by the event loop and written without
 * ever blocking it.
 */
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { ReadStream } from "node:tty";
import koffi from "koffi";
import { errorCode, Fault } from "../../src/base/errors.ts";

const libc = koffi.load("libc.so.6");
const posixOpenpt = libc.func("int posix_openpt(int)");
const grantpt = libc.func("int grantpt(int)");
const unlockpt = libc.func("int unlockpt(int)");
const ptsname = libc.func("int ptsname_r(int, _Out_ uint8_t *, size_t)");
const tcgetattr = libc.func("int tcgetattr(int, _Out_ uint8_t *)");
const cfmakeraw = libc.func("void cfmakeraw(_Inout_ uint8_t *)");
const tcsetattr = libc.func("int tcsetattr(int, int, const uint8_t *)");

const oCloexec = 0o2000000;
/** Larger than `struct termios` on any Linux. */
const termiosLength = 128;

export class Pty {
  /** Path of the slave, `/dev/pts/N`. */
  readonly path: string;
  readonly #master: number;
  /** Kept open so that the master does not see a hang-up each time the node closes its end. */
  readonly #slave: number;
  readonly #reader: ReadStream;
  #closed = false;

  /**
   * @param onBytes takes what the node wrote
   * @throws Fault `link.open` when the system gives no PTY
   */
  constructor(onBytes: (chunk: Buffer) => void) {
    // Without O_NONBLOCK libuv would block the whole process in read(2) on a master.
    const flags = constants.O_RDWR | constants.O_NOCTTY | constants.O_NONBLOCK | oCloexec;
    this.#master = posixOpenpt(flags);
    const name = Buffer.alloc(64);
    if (
      this.#master < 0 ||
      grantpt(this.#master) !== 0 ||
      unlockpt(this.#master) !== 0 ||
      ptsname(this.#master, name, name.length) !== 0
    ) {
      throw new Fault("link.open", "the system gives no PTY");
    }
    this.path = name.toString("utf8", 0, name.indexOf(0));
    this.#slave = openSync(this.path, constants.O_RDWR | constants.O_NOCTTY);
    // Raw before anyone opens it: the line discipline would echo what the module says back to it.
    const termios = Buffer.alloc(termiosLength);
    tcgetattr(this.#slave, termios);
    cfmakeraw(termios);
    tcsetattr(this.#slave, 0, termios);
    this.#reader = new ReadStream(this.#master);
    this.#reader.on("data", onBytes);
    this.#reader.on("error", () => this.close());
  }

  /** Writes what fits now. @returns how many bytes that were; 0 when the node does not read */
  write(bytes: Buffer): number {
    if (this.#closed || bytes.length === 0) return 0;
    try {
      return writeSync(this.#master, bytes);
    } catch (error) {
      if (errorCode(error) === "EAGAIN") return 0;
      this.close();
      return 0;
    }
  }

  /** Stops or goes on reading, for pacing. */
  reading(on: boolean): void {
    if (this.#closed) return;
    if (on) this.#reader.resume();
    else this.#reader.pause();
  }

  /** The device is gone for whoever has it open. Any number of times. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#reader.destroy();
    closeSync(this.#slave);
  }
}
