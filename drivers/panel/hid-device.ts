/**
 * A HID controller behind the kernel's hidraw, by the asynchronous API of `node-hid`: it reads on a
 * thread of its own, and everything else runs in order on libuv's.
 *
 * What to know of it: its native code needs libusb and libudev to load, also for hidraw. A second
 * listener for "data", or one on a device that is being closed, throws out of nowhere: there is one
 * listener, and it stays. A write to a device that stalls holds up all that comes after it, closing
 * included. The kernel keeps 64 reports for a reader and drops what is beyond: reports tell states.
 */
import type { HIDAsync } from "node-hid";
import { type Clock, within } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import type { PanelDevice, PanelDeviceFactory } from "./device.ts";

const closeTimeout = 1_000;
/** A device that has not taken a report in this time takes none any more, ms. */
const writeTimeout = 1_500;

/** @param path of the device node, such as /dev/hidraw0; a udev name survives re-plugging */
export function hidDevice(path: string, clock: Clock): PanelDeviceFactory {
  return { where: path, open: (onReport) => open(path, clock, onReport) };
}

async function open(
  path: string,
  clock: Clock,
  onReport: (report: Buffer) => void,
): Promise<PanelDevice> {
  const { HIDAsync, setDriverType } = await load(path);
  setDriverType("hidraw");
  let device: HIDAsync;
  try {
    device = await HIDAsync.open(path);
  } catch (error) {
    throw new Fault("link.open", "cannot open the panel's device", {
      source: path,
      why: why(error),
    });
  }
  return new HidDevice(device, path, clock, onReport);
}

async function load(source: string) {
  try {
    const { default: hid } = await import("node-hid");
    // Loads the native code.
    hid.getHidapiVersion();
    return hid;
  } catch (error) {
    throw new Fault("link.open", "node-hid cannot be loaded", { source, why: why(error) });
  }
}

class HidDevice implements PanelDevice {
  readonly ended: Promise<Error | undefined>;
  readonly #device: HIDAsync;
  readonly #path: string;
  readonly #clock: Clock;
  #end!: (error: Error | undefined) => void;
  #closing: Promise<void> | undefined;
  #writing = false;

  constructor(device: HIDAsync, path: string, clock: Clock, onReport: (report: Buffer) => void) {
    this.#device = device;
    this.#path = path;
    this.#clock = clock;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    device.on("error", (error) => this.#fail("panel's device is gone", error));
    device.on("data", (report: Buffer) => {
      if (this.#closing === undefined) onReport(report);
    });
  }

  send(report: Buffer): void {
    if (this.#writing || this.#closing !== undefined) return;
    this.#writing = true;
    const late = () => new Fault("link.stalled", "no progress");
    within(this.#clock, writeTimeout, this.#device.write(report), late).then(
      () => {
        this.#writing = false;
      },
      (error: unknown) => this.#fail("panel's device takes no report", error),
    );
  }

  close(): Promise<void> {
    this.#closing ??= (async () => {
      this.#end(undefined);
      // The reader starts in the turn after the listener was added; closing before that throws.
      await new Promise((resolve) => setImmediate(resolve));
      const late = () => new Fault("link.stalled", "does not close");
      await within(this.#clock, closeTimeout, this.#device.close(), late).catch(() => {});
    })();
    return this.#closing;
  }

  #fail(message: string, error: unknown): void {
    if (this.#closing !== undefined) return;
    this.#end(new Fault("link.closed", message, { source: this.#path, why: why(error) }));
    void this.close();
  }
}

/** Messages of hidapi: what the system said about a path or a device, no data. */
function why(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [line = ""] = text.split("\n");
  return line.replace(/^cannot open device with path [^:]*: /, "").slice(0, 160);
}
