/**
 * One conversation with a chassis controller: its reports are read and counted, the host's are sent on
 * change and four times a second, and silence ends it.
 */
import { type Clock, every, type Timer, within } from "../../src/base/clock.ts";
import { describe, Fault } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import type { PanelDevice, PanelDeviceFactory } from "./device.ts";
import { decode, encodeHost, type Host, type Identity, type Status } from "./report.ts";

/** Each side says at least this often how it is, ms. */
export const reportMs = 250;
/** No good report for this long: the controller is gone, ms. */
export const deadMs = 1_500;
/** A device opens within this time, or is tried again: one that hangs in the kernel takes for ever, ms. */
const openMs = 2_000;
/** Before silence is believed, what has arrived is read: this process may have been the slow one. */
const graceMs = 50;

export interface ControllerSink {
  status(status: Status): void;
  identity(identity: Identity): void;
  /** A report could not be read. */
  malformed(): void;
}

export type Wish = Pick<Host, "lights" | "clear" | "clearMemoryLost">;

export interface ControllerParts {
  readonly clock: Clock;
  readonly log: Log;
  readonly sink: ControllerSink;
  /** What the controller is to show and do, now. */
  readonly wish: () => Wish;
}

/** @throws Fault `link.open` */
export async function openController(
  factory: PanelDeviceFactory,
  parts: ControllerParts,
): Promise<Controller> {
  let controller: Controller | undefined;
  const early: Buffer[] = [];
  const opened = factory.open((report) => {
    if (controller !== undefined) controller.report(report);
    else if (early.length < 16) early.push(report);
  });
  const device = await within(parts.clock, openMs, opened, () => {
    const facts = { source: factory.where, limit_ms: openMs };
    return new Fault("link.open", "the panel's device does not open", facts);
  }).catch((error) => {
    // It may open all the same, and would be held against the next one.
    opened.then((device) => device.close()).catch(() => {});
    throw error;
  });
  controller = new Controller(device, factory.where, parts);
  for (const report of early) controller.report(report);
  return controller;
}

export class Controller {
  readonly ended: Promise<Error | undefined>;
  readonly #device: PanelDevice;
  readonly #parts: ControllerParts;
  readonly #timers: readonly Timer[];
  #fault: Fault | undefined;
  #heardAt: number;
  #sequence = 0;
  #boot: number | undefined;
  #identified = false;
  /** The last complaint about a report, so that it is said once. */
  #complaint = "";

  constructor(device: PanelDevice, where: string, parts: ControllerParts) {
    const { clock } = parts;
    this.#device = device;
    this.#parts = parts;
    this.#heardAt = clock.now();
    const silent = () => clock.now() - this.#heardAt >= deadMs;
    this.#timers = [
      every(clock, reportMs, () => this.show()),
      every(clock, reportMs, () => {
        if (!silent()) return;
        clock.after(graceMs, () => {
          if (!silent() || this.#fault !== undefined) return;
          const facts = { source: where, limit_ms: deadMs };
          this.#fault = new Fault("panel.silent", "controller says nothing", facts);
          void this.close();
        });
      }),
    ];
    this.ended = device.ended.then((error) => {
      this.#stop();
      return this.#fault ?? error;
    });
    this.show();
  }

  /** Tells the controller at once what it is to show. */
  show(): void {
    this.#sequence = (this.#sequence + 1) & 0xffff;
    const host = { ...this.#parts.wish(), sequence: this.#sequence, identify: !this.#identified };
    this.#device.send(encodeHost(host));
  }

  close(): Promise<void> {
    this.#stop();
    return this.#device.close();
  }

  /** Takes a report as it came. */
  report(bytes: Buffer): void {
    const { clock, log, sink } = this.#parts;
    let report: ReturnType<typeof decode>;
    try {
      report = decode(bytes);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      sink.malformed();
      const complaint = describe(error);
      if (complaint !== this.#complaint) log.warn("report cannot be read", { why: complaint });
      this.#complaint = complaint;
      return;
    }
    if (report?.kind === "identity") {
      this.#identified = true;
      sink.identity(report);
    } else if (report?.kind === "status") {
      this.#heardAt = clock.now();
      if (this.#boot !== undefined && report.boot !== this.#boot) {
        log.warn("controller has started anew");
        this.#identified = false;
      }
      this.#boot = report.boot;
      sink.status(report);
    }
  }

  #stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }
}
