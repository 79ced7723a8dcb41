/** A link over a serial port or a USB serial adapter. */
import { SerialPort } from "serialport";
import { type Clock, within } from "../../src/port/clock.ts";
import { errorCode, Fault } from "../../src/port/errors.ts";
import { LinkLife } from "./life.ts";
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
  readonly #life: LinkLife;
  readonly #port: SerialPort;

  constructor(port: SerialPort, path: string, clock: Clock, onBytes: (chunk: Buffer) => void) {
    this.#port = port;
    const life = new LinkLife(path, clock, () => this.#shut());
    this.#life = life;
    // A reader is attached from the start: without one the port does not notice that it is gone.
    port.on("data", (chunk: Buffer) => {
      if (!life.over) onBytes(chunk);
      chunk.fill(0);
    });
    const gone = (error: Error | null) => {
      const facts = { source: path, code: errorCode(error) ?? "gone" };
      life.finish(new Fault("link.closed", "serial port closed", facts));
    };
    port.on("error", gone);
    port.on("close", gone);
  }

  get ended(): Promise<Error | undefined> {
    return this.#life.ended;
  }

  get backlog(): number {
    return this.#life.backlog;
  }

  write(bytes: Buffer): void {
    const life = this.#life;
    if (life.over) return;
    life.queued(bytes.length);
    this.#port.write(bytes, (error) => {
      // An error comes as an event too, and that ends the link.
      if (!error) life.taken(bytes.length);
    });
  }

  close(): Promise<void> {
    return this.#life.close();
  }

  #shut(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#port.isOpen) this.#port.close(() => resolve());
      else resolve();
    });
  }
}
