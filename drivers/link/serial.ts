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

/**
 * Ports that the driver is not done with, by path: it may take longer than is waited for, and holds one of the few
 * threads that files need, too. So there is one attempt at a time, and a port that is let go of is waited for.
 */
const busy = new Map<
  string,
  { readonly being: "opened" | "closed"; readonly done: Promise<void> }
>();
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
  await released(options.path, clock);
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
    return untilDone(options.path, "closed", closed).finally(() => {
      closedAt.set(options.path, clock.now());
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
  } catch (error) {
    const late = opened.then(() => link.close()).catch(() => {});
    void untilDone(options.path, "opened", late);
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

function untilDone(path: string, being: "opened" | "closed", done: Promise<void>): Promise<void> {
  const one = { being, done };
  busy.set(path, one);
  return done.finally(() => {
    if (busy.get(path) === one) busy.delete(path);
  });
}

/** @throws Fault `link.open` */
async function released(path: string, clock: Clock): Promise<void> {
  const before = busy.get(path);
  if (before === undefined) return;
  await within(clock, openTimeout, before.done, () => {
    const why = `it is still being ${before.being}`;
    return new Fault("link.open", `cannot open serial port: ${why}`, { source: path });
  });
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
