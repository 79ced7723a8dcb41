/**
 * What every link has to do beside moving bytes: end once, notice a device that takes nothing any
 * more, close within a second.
 */
import type { Clock, Timer } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";

const closeTimeout = 1_000;
/** Writing must make some progress in this time: the callbacks of a stalled device never come. */
export const stallTimeout = 2_000;

export class LinkLife {
  /** Settles when the link is over: with the fault that ended it, or undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  readonly #where: string;
  readonly #clock: Clock;
  readonly #shut: () => Promise<void>;
  #end!: (error: Error | undefined) => void;
  #over = false;
  #closing: Promise<void> | undefined;
  #backlog = 0;
  #stall: Timer | undefined;

  /**
   * @param where the device, for faults
   * @param shut lets go of the device; called once, may hang: it is given a second
   */
  constructor(where: string, clock: Clock, shut: () => Promise<void>) {
    this.#where = where;
    this.#clock = clock;
    this.#shut = shut;
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get over(): boolean {
    return this.#over;
  }

  /** Bytes written and not yet taken by the device. */
  get backlog(): number {
    return this.#backlog;
  }

  /** More bytes wait for the device. */
  queued(bytes: number): void {
    // The time to stall runs from when the device last took something, not from the newest bytes.
    const idle = this.#backlog === 0;
    this.#backlog += bytes;
    if (idle) this.#watch();
  }

  /** The device took bytes. */
  taken(bytes: number): void {
    this.#backlog -= bytes;
    this.#watch();
  }

  /** The link is over. The first call counts; the device is let go of. */
  finish(error: Error | undefined): void {
    if (!this.#over) {
      this.#over = true;
      this.#stall?.cancel();
      this.#end(error);
    }
    void this.close();
  }

  /** Resolves once the device is let go of, after a second at the latest; never rejects. */
  close(): Promise<void> {
    if (!this.#over) this.finish(undefined);
    this.#closing ??= new Promise<void>((resolve) => {
      const timer = this.#clock.after(closeTimeout, resolve);
      this.#shut().then(
        () => {
          timer.cancel();
          resolve();
        },
        () => {},
      );
    });
    return this.#closing;
  }

  #watch(): void {
    this.#stall?.cancel();
    this.#stall = undefined;
    if (this.#backlog === 0 || this.#over) return;
    this.#stall = this.#clock.after(stallTimeout, () => {
      const facts = { source: this.#where, backlog: this.#backlog, limit_ms: stallTimeout };
      this.finish(new Fault("link.stalled", "device takes no more bytes", facts));
    });
  }
}
