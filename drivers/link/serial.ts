/** A link over a serial port or a USB serial adapter. */
import { SerialPort } from "serialport";
import { type Clock, type Timer, within } from "../../src/port/clock.ts";
import { errorCode, Fault } from "../../src/port/errors.ts";
import type { Link, LinkFactory } from "./link.ts";

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
const closeTimeout = 1_000;
/** Writing must make some progress in this time: the callbacks of a stalled port never come. */
const stallTimeout = 2_000;

export function serialLink(options: SerialOptions, clock: Clock): LinkFactory {
  return {
    where: options.path,
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
  const link = new SerialLink(port, options.path, clock, onBytes);
  const opened = new Promise<void>((resolve, reject) => {
    port.open((error) => (error ? reject(error) : resolve()));
  });
  try {
    await within(clock, openTimeout, opened, () => new Error("no answer from the driver"));
  } catch (error) {
    opened.then(() => link.close()).catch(() => {});
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

/** serialport puts the errno into its message only: `Error: No such file…, cannot open /dev/x`. */
function openFailure(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const known: readonly (readonly [RegExp, string])[] = [
    [/No such file/i, "there is no such device"],
    [/Permission denied|Access denied/i, "permission denied"],
    [/lock port|temporarily unavailable|busy/i, "another process has it"],
  ];
  return known.find(([pattern]) => pattern.test(message))?.[1] ?? message;
}

class SerialLink implements Link {
  readonly ended: Promise<Error | undefined>;
  #end!: (error: Error | undefined) => void;
  #over = false;
  #closing: Promise<void> | undefined;
  #backlog = 0;
  #stall: Timer | undefined;
  readonly #port: SerialPort;
  readonly #path: string;
  readonly #clock: Clock;

  constructor(port: SerialPort, path: string, clock: Clock, onBytes: (chunk: Buffer) => void) {
    this.#port = port;
    this.#path = path;
    this.#clock = clock;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    // A reader is attached from the start: without one the port does not notice that it is gone.
    port.on("data", (chunk: Buffer) => {
      if (!this.#over) onBytes(chunk);
      chunk.fill(0);
    });
    port.on("error", (error: Error) => this.#fail(error));
    port.on("close", (error: Error | null) => this.#fail(error ?? undefined));
  }

  get backlog(): number {
    return this.#backlog;
  }

  write(bytes: Buffer): void {
    if (this.#over) return;
    this.#backlog += bytes.length;
    this.#watch();
    this.#port.write(bytes, (error) => {
      this.#backlog -= bytes.length;
      if (error) this.#fail(error);
      else this.#watch();
    });
  }

  close(): Promise<void> {
    this.#finish(undefined);
    return this.#shut();
  }

  /** (Re)starts the stall timer while something is being written. */
  #watch(): void {
    this.#stall?.cancel();
    this.#stall = undefined;
    if (this.#backlog === 0 || this.#over) return;
    this.#stall = this.#clock.after(stallTimeout, () => {
      const facts = { source: this.#path, backlog: this.#backlog, limit_ms: stallTimeout };
      this.#finish(new Fault("link.stalled", "serial port takes no more bytes", facts));
      void this.#shut();
    });
  }

  #fail(error: Error | undefined): void {
    const code = errorCode(error) ?? "gone";
    this.#finish(new Fault("link.closed", "serial port closed", { source: this.#path, code }));
    void this.#shut();
  }

  #finish(error: Error | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#stall?.cancel();
    this.#end(error);
  }

  #shut(): Promise<void> {
    this.#closing ??= new Promise<void>((resolve) => {
      if (!this.#port.isOpen) return resolve();
      const timer = this.#clock.after(closeTimeout, resolve);
      this.#port.close(() => {
        timer.cancel();
        resolve();
      });
    });
    return this.#closing;
  }
}
