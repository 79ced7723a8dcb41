/**
 * A controller on a Unix socket, for a bench without HID: each report as one byte with its length,
 * then its bytes.
 */
import { createConnection, type Socket } from "node:net";
import { type Clock, within } from "../../src/base/clock.ts";
import { errorCode, Fault } from "../../src/base/errors.ts";
import type { PanelDevice, PanelDeviceFactory } from "./device.ts";

const openTimeout = 2_000;
/** A peer that reads nothing is sent nothing more, bytes. */
const mostUnread = 4_096;

export function socketDevice(path: string, clock: Clock): PanelDeviceFactory {
  return { where: `unix:${path}`, open: (onReport) => open(path, clock, onReport) };
}

async function open(
  path: string,
  clock: Clock,
  onReport: (report: Buffer) => void,
): Promise<PanelDevice> {
  const socket = createConnection(path);
  const opened = new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  const fault = (why: string) =>
    new Fault("link.open", "cannot connect to the panel", { source: path, why });
  try {
    await within(clock, openTimeout, opened, () => fault("no answer"));
  } catch (error) {
    socket.destroy();
    throw error instanceof Fault ? error : fault(errorCode(error) ?? "unknown");
  }
  return new SocketDevice(socket, path, onReport);
}

/** One report with its length before it. */
export function framed(report: Buffer): Buffer {
  return Buffer.concat([Buffer.from([report.length]), report]);
}

/** Takes reports out of a stream; holds at most one. */
export class Unframer {
  #held: Buffer = Buffer.alloc(0);

  push(chunk: Buffer, take: (report: Buffer) => void): void {
    let rest = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    while (rest.length > 0 && rest.length > (rest[0] as number)) {
      const end = 1 + (rest[0] as number);
      take(Buffer.from(rest.subarray(1, end)));
      rest = rest.subarray(end);
    }
    this.#held = Buffer.from(rest);
  }
}

class SocketDevice implements PanelDevice {
  readonly ended: Promise<Error | undefined>;
  readonly #socket: Socket;
  readonly #closed: Promise<void>;
  #closing = false;

  constructor(socket: Socket, path: string, onReport: (report: Buffer) => void) {
    this.#socket = socket;
    const unframer = new Unframer();
    const { promise, resolve } = Promise.withResolvers<Error | undefined>();
    this.ended = promise;
    this.#closed = new Promise((done) => socket.once("close", () => done()));
    socket.on("data", (chunk) => unframer.push(chunk, onReport));
    socket.on("error", () => {});
    socket.on("end", () => socket.destroy());
    const gone = new Fault("link.closed", "panel's device is gone", { source: path });
    socket.on("close", () => resolve(this.#closing ? undefined : gone));
  }

  send(report: Buffer): void {
    if (this.#socket.writableLength < mostUnread) this.#socket.write(framed(report));
  }

  close(): Promise<void> {
    this.#closing = true;
    this.#socket.destroy();
    return this.#closed;
  }
}
