/**
 * A module's serial port: a PTY behind a stable name, at a baud rate, that can be unplugged and
 * plugged in again as a USB adapter can.
 */
import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import { type Clock, every, type Timer } from "../../src/base/clock.ts";
import { Pty } from "./pty.ts";

/** How often bytes leave, ms. */
const tick = 5;
/** What was missed while the process was busy is made up for, up to this, ms. */
const catchUp = 50;
const chunk = 65_536;

export interface PortHandlers {
  bytes(chunk: Buffer): void;
  /** There is room below {@link EmulatedPort.lowWater} again. */
  drained(): void;
}

export class EmulatedPort {
  /** The stable name, a symbolic link. */
  readonly path: string;
  /** The module should not queue more than this, bytes: 100 ms of line time. */
  readonly lowWater: number;
  readonly #bytesPerMs: number;
  readonly #clock: Clock;
  readonly #handlers: PortHandlers;
  #pty: Pty | undefined;
  #queue: Buffer[] = [];
  #backlog = 0;
  #timer: Timer | undefined;
  #sentAt = 0;

  /** @param baud bits per second with 10 bits a byte; 0 for no limit but the PTY's own */
  constructor(path: string, baud: number, clock: Clock, handlers: PortHandlers) {
    this.path = path;
    this.#clock = clock;
    this.#handlers = handlers;
    this.#bytesPerMs = baud === 0 ? Number.POSITIVE_INFINITY : baud / 10_000;
    this.lowWater = Math.min(1_048_576, Math.max(256, this.#bytesPerMs * 100));
  }

  get plugged(): boolean {
    return this.#pty !== undefined;
  }

  /** Bytes that wait to leave. */
  get backlog(): number {
    return this.#backlog;
  }

  /** Makes the device appear. */
  plug(): void {
    if (this.#pty !== undefined) return;
    const pty = new Pty((bytes) => this.#received(pty, bytes));
    this.#pty = pty;
    mkdirSync(dirname(this.path), { recursive: true });
    const temporary = `${this.path}.new`;
    rmSync(temporary, { force: true });
    symlinkSync(pty.path, temporary);
    renameSync(temporary, this.path);
  }

  /** Makes the device disappear, with what was on the line. */
  unplug(): void {
    if (this.#pty === undefined) return;
    rmSync(this.path, { force: true });
    this.#pty.close();
    this.#pty = undefined;
    this.#stop();
  }

  /** Queues bytes; without a device they are lost, as on a cable that is not there. */
  send(bytes: Buffer): void {
    if (this.#pty === undefined || bytes.length === 0) return;
    this.#queue.push(bytes);
    this.#backlog += bytes.length;
    if (this.#timer !== undefined) return;
    this.#sentAt = this.#clock.now();
    this.#flush(this.#bytesPerMs === Number.POSITIVE_INFINITY ? chunk : 0);
    if (this.#backlog > 0) this.#timer = every(this.#clock, tick, () => this.#tick());
  }

  #tick(): void {
    const now = this.#clock.now();
    const elapsed = Math.min(catchUp, now - this.#sentAt);
    this.#sentAt = now;
    this.#flush(elapsed * this.#bytesPerMs);
    if (this.#backlog === 0) this.#stop();
    if (this.#backlog < this.lowWater) this.#handlers.drained();
  }

  #flush(budget: number): void {
    let left = Math.ceil(budget);
    while (left > 0 && this.#queue.length > 0) {
      const first = this.#queue[0] as Buffer;
      const went = this.#pty?.write(first.subarray(0, Math.min(left, chunk))) ?? 0;
      if (went === 0) return;
      left -= went;
      this.#backlog -= went;
      if (went === first.length) this.#queue.shift();
      else this.#queue[0] = first.subarray(went);
    }
  }

  #received(pty: Pty, bytes: Buffer): void {
    this.#handlers.bytes(bytes);
    const ms = bytes.length / this.#bytesPerMs;
    if (ms < 1) return;
    pty.reading(false);
    this.#clock.after(ms, () => pty.reading(true));
  }

  #stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#queue = [];
    this.#backlog = 0;
  }
}
