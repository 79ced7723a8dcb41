/** FIFOs, made with libc through koffi. */
import { constants, openSync, rmSync } from "node:fs";
import koffi from "koffi";
import { Fault } from "../../src/base/errors.ts";

const libc = koffi.load("libc.so.6");
const mkfifo = libc.func("int mkfifo(const char *, unsigned int)");
const fcntl = libc.func("int fcntl(int, int, int)");
const ioctl = libc.func("int ioctl(int, unsigned long, _Out_ int *)");
const setPipeSize = 1031;
const bytesWaiting = 0x541b;

/** Makes a FIFO in place of whatever has its name. @throws Fault `link.open` */
export function makeFifo(path: string): void {
  rmSync(path, { force: true });
  if (mkfifo(path, 0o600) !== 0) throw new Fault("link.open", "no FIFO here", { source: path });
}

/**
 * Opens a FIFO for both directions, so that it outlives whoever has the other end open.
 * @param length what it may hold, bytes; the system may allow less
 */
export function openFifo(path: string, length: number): number {
  const file = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  fcntl(file, setPipeSize, length);
  return file;
}

/** How many bytes of a FIFO nobody has read. */
export function waitingIn(file: number): number {
  const found = [0];
  ioctl(file, bytesWaiting, found);
  return found[0] as number;
}
