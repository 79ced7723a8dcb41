/** A link over a serial port or a USB serial adapter. */
import { SerialPort } from "serialport";
import { type Clock, delay, within } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { Link, LinkFactory } from "./link.ts";
import { StreamLink } from "./stream.ts";

export interface SerialOptions {
  /** Device path; a udev-made name survives re-enumeration. */
  readonly path: string;
  /** Bits per second. */
  readonly baud: number;
  /** Hardware flow control by RTS/CTS. */
  readonly rtscts: boolean;
}

/** Opening takes a device a few ms; a USB adapter that hangs takes for ever. */
const openTimeout = 2_000;

interface Busy {
  readonly being: "opened" | "closed";
}

/**
 * Ports that the driver is not done with, by path: it may take longer than is waited for, and holds one of the few
 * threads that files need, too. So there is one attempt at a time, and a port that is let go of is waited for.
 */
const busy = new Map<string, Busy>();
/** So many of them at most, half of all threads: also while all of them hang, files are read and written. */
const mostBusy = Math.max(1, Math.floor((Number(process.env.UV_THREADPOOL_SIZE) || 4) / 2));
/** Called, all of them, whenever the driver is done with a port. */
const waiting = new Set<() => void>();
/**
 * When this process let go of a port, by path, ms. A read or write that was under way in that moment
 * keeps the lock a little longer: until then a port that is locked is tried again.
 */
const closedAt = new Map<string, number>();
const lockLingers = 500;
const lockRetry = 10;
/** What was written last is waited for so long, ms. */
const farewell = 500;

export function serialLink(options: SerialOptions, clock: Clock): LinkFactory {
  return {
    where: options.path,
    checked: false,
    // A tenth of a second of line time at 10 bits a byte, so that a ping is never stuck for long.
    maxBody: Math.min(1_024, Math.max(64, Math.floor(options.baud / 100))),
    open: (onBytes, signal) => openSerial(options, clock, onBytes, signal),
  };
}

async function openSerial(
  options: SerialOptions,
  clock: Clock,
  onBytes: (chunk: Buffer) => void,
  signal: AbortSignal,
): Promise<Link> {
  const opening = await claimed(options.path, clock);
  const port = new SerialPort({
    path: options.path,
    baudRate: options.baud,
    rtscts: options.rtscts,
    // Exclusive (TIOCEXCL): two readers of one module would each see half of its frames.
    lock: true,
    // Dropping DTR on close resets many modules.
    hupcl: false,
    autoOpen: false,
  });
  const shut = () => {
    const closed = written(port, clock).then(
      () =>
        new Promise<void>((resolve) => {
          if (port.isOpen) port.close(() => resolve());
          else resolve();
        }),
    );
    const closing: Busy = { being: "closed" };
    busy.set(options.path, closing);
    return closed.finally(() => {
      closedAt.set(options.path, clock.now());
      release(options.path, closing);
    });
  };
  const link = new StreamLink(port, {
    where: options.path,
    name: "serial port",
    clock,
    onBytes,
    shut,
  });
  const opened = openUnlocked(port, clock);
  try {
    await within(clock, openTimeout, opened, () => new Error("no answer from the driver"));
    release(options.path, opening);
  } catch (error) {
    const late = opened.then(() => link.close()).catch(() => {});
    void late.finally(() => release(options.path, opening));
    throw new Fault("link.open", `cannot open serial port: ${openFailure(error)}`, {
      source: options.path,
    });
  }
  if (signal.aborted) {
    await link.close();
    throw new Fault("stopped", "opening the serial port was stopped", { source: options.path });
  }
  return link;
}

/**
 * Waits until the device has what was written, a farewell for one, or takes nothing for a while. A
 * write that is under way when its descriptor is closed may land in what is opened under that number next.
 */
function written(port: SerialPort, clock: Clock): Promise<void> {
  if (!port.isOpen || port.writableLength === 0) return Promise.resolve();
  return new Promise<void>((resolve) => {
    const timer = clock.after(farewell, resolve);
    const done = () => {
      timer.cancel();
      resolve();
    };
    port.once("close", done);
    // Nothing, behind all that waits.
    port.write(Buffer.alloc(0), done);
  });
}

/** @throws what serialport says */
async function openUnlocked(port: SerialPort, clock: Clock): Promise<void> {
  for (;;) {
    const error = await new Promise<Error | null>((resolve) => port.open(resolve));
    if (error === null) return;
    const since = clock.now() - (closedAt.get(port.path) ?? Number.NEGATIVE_INFINITY);
    if (!/lock port/i.test(error.message) || since > lockLingers) throw error;
    await delay(clock, lockRetry);
  }
}

/** The driver is done with it. */
function release(path: string, one: Busy): void {
  if (busy.get(path) === one) busy.delete(path);
  for (const wake of waiting) wake();
}

/** Waits until the port may be opened. @returns what {@link release} is told then @throws Fault `link.open` */
async function claimed(path: string, clock: Clock): Promise<Busy> {
  const end = clock.now() + openTimeout;
  while (busy.has(path) || busy.size >= mostBusy) {
    const { promise, resolve } = Promise.withResolvers<void>();
    waiting.add(resolve);
    const late = () => {
      const before = busy.get(path);
      const why = before ? `it is still being ${before.being}` : "others are still being opened";
      return new Fault("link.open", `cannot open serial port: ${why}`, { source: path });
    };
    await within(clock, Math.max(0, end - clock.now()), promise, late).finally(() =>
      waiting.delete(resolve),
    );
  }
  const opening: Busy = { being: "opened" };
  busy.set(path, opening);
  return opening;
}

/** serialport puts the errno into its message only: `Error: No such file…, cannot open /dev/x`. */
function openFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const known: readonly (readonly [RegExp, string])[] = [
    [/No such file/i, "there is no such device"],
    [/Permission denied|Access denied/i, "permission denied"],
    [/lock port|temporarily unavailable|busy/i, "another process has it"],
    [/Is a directory/i, "it is a folder"],
    [/Not a directory/i, "a part of its path is no folder"],
    [/Too many (levels of )?symbolic links/i, "its links lead in a circle"],
    [/Inappropriate ioctl/i, "it is no serial port"],
  ];
  return known.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}
