/**
 * Interrupts of a card as the XDMA driver hands them on: a device that can be read, 4 bytes at a time,
 * once there was one. It is polled by the event loop: a read would hold one of libuv's few threads.
 */
import { closeSync, constants, openSync, readSync } from "node:fs";
import { LinuxPortBinding } from "@serialport/bindings-cpp";
import { errorCode } from "../../src/base/errors.ts";

/** The poller comes with settings of a serial port, which it never applies. */
const unused: ConstructorParameters<typeof LinuxPortBinding>[1] = {
  path: "",
  baudRate: 9_600,
  dataBits: 8,
  stopBits: 1,
  parity: "none",
  lock: false,
  rtscts: false,
  xon: false,
  xoff: false,
  xany: false,
  hupcl: false,
  vmin: 1,
  vtime: 0,
};

export class Interrupts {
  readonly #device: LinuxPortBinding;
  readonly #file: number;
  readonly #onInterrupt: () => void;
  readonly #count = Buffer.alloc(4);
  #closed = false;
  #working = true;

  /** Whether interrupts may still come. */
  get working(): boolean {
    return this.#working;
  }

  /**
   * @returns undefined where there is no such device, or none that can be waited for
   * @param onInterrupt called once or more for each interrupt
   */
  static open(path: string, onInterrupt: () => void): Interrupts | undefined {
    let file: number | undefined;
    try {
      file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      return new Interrupts(file, onInterrupt);
    } catch {
      if (file !== undefined) closeSync(file);
      return undefined;
    }
  }

  private constructor(file: number, onInterrupt: () => void) {
    this.#file = file;
    this.#onInterrupt = onInterrupt;
    this.#device = new LinuxPortBinding(file, unused);
    this.#next();
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#working = false;
    await this.#device.close().catch(() => {});
  }

  #next(): void {
    this.#device.poller.once("readable", (error) => {
      if (this.#closed) return;
      this.#working = error === null && this.#take();
      if (this.#working) this.#next();
      this.#onInterrupt();
    });
  }

  /** Takes what there is, so that the device is readable again only upon the next one. */
  #take(): boolean {
    try {
      return readSync(this.#file, this.#count, 0, 4, null) > 0;
    } catch (error) {
      return errorCode(error) === "EAGAIN";
    }
  }
}
