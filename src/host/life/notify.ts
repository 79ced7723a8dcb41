/**
 * Tells systemd how the service is doing (sd_notify). Node.js has no datagram sockets in the file
 * system, so systemd's own `systemd-notify` carries each message: no foreign code in the process that
 * holds keys. Its messages are from another process: the unit says `NotifyAccess=all`.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";

export interface Notify {
  /** The watchdog's time in ms: tell `watchdog` at least twice within it. undefined: there is none. */
  readonly watchdogMs: number | undefined;
  /** The service is up. */
  ready(): void;
  /** One line for `systemctl status`. */
  status(line: string): void;
  /** The service makes progress. */
  watchdog(): void;
  /** The service stops in order. */
  stopping(): void;
  /** Resolves when all of the above was told, or given up. Never rejects. */
  told(): Promise<void>;
}

export interface NotifyParts {
  readonly clock: Clock;
  readonly log: Log;
  /** Of the process; where and whether to tell. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The program that carries a message. */
  readonly program?: string;
}

/** A message takes a few ms, on a machine without time to spare seconds; then it is given up, ms. */
const carryMs = 9_000;

const silent: Notify = {
  watchdogMs: undefined,
  ready() {},
  status() {},
  watchdog() {},
  stopping() {},
  told: async () => {},
};

/** @returns one that does nothing where systemd did not ask to be told */
export function systemdNotify(parts: NotifyParts): Notify {
  const socket = parts.environment.NOTIFY_SOCKET;
  if (socket === undefined || socket === "") return silent;
  return new Messenger(parts, socket, watchdogMs(parts.environment));
}

function watchdogMs(environment: NotifyParts["environment"]): number | undefined {
  const { WATCHDOG_USEC, WATCHDOG_PID } = environment;
  if (WATCHDOG_PID !== undefined && WATCHDOG_PID !== String(process.pid)) return undefined;
  const ms = Number(WATCHDOG_USEC) / 1_000;
  return Number.isFinite(ms) && ms > 0 ? ms : undefined;
}

/** Tells one message at a time; what comes meanwhile goes together as the next. */
class Messenger implements Notify {
  readonly watchdogMs: number | undefined;
  readonly #parts: NotifyParts;
  readonly #socket: string;
  /** Assignments that wait; a later value takes the place of an earlier one. */
  #waiting = new Map<string, string>();
  #telling: Promise<void> | undefined;
  #complained = false;

  constructor(parts: NotifyParts, socket: string, watchdog: number | undefined) {
    this.#parts = parts;
    this.#socket = socket;
    this.watchdogMs = watchdog;
  }

  ready(): void {
    this.#tell("READY", "1");
  }

  status(line: string): void {
    this.#tell("STATUS", line.replace(/[\r\n]+/g, " "));
  }

  watchdog(): void {
    this.#tell("WATCHDOG", "1");
  }

  stopping(): void {
    this.#tell("STOPPING", "1");
  }

  async told(): Promise<void> {
    await this.#telling;
  }

  #tell(name: string, value: string): void {
    this.#waiting.set(name, value);
    this.#telling ??= this.#tellAll().finally(() => {
      this.#telling = undefined;
    });
  }

  async #tellAll(): Promise<void> {
    // What else this turn brings goes with it.
    await Promise.resolve();
    while (this.#waiting.size > 0) {
      const message = [...this.#waiting].map(([name, value]) => `${name}=${value}`);
      this.#waiting = new Map();
      try {
        await this.#carry(message);
        this.#complained = false;
      } catch (error) {
        if (!this.#complained)
          this.#parts.log.warn("systemd is not told", { why: describe(error) });
        this.#complained = true;
      }
    }
  }

  async #carry(message: readonly string[]): Promise<void> {
    const { clock, program = "systemd-notify" } = this.#parts;
    const child = spawn(program, message, {
      // Nothing else of the service's surroundings is any of its business.
      env: { PATH: this.#parts.environment.PATH, NOTIFY_SOCKET: this.#socket },
      stdio: "ignore",
    });
    child.unref();
    const late = () => new Fault("notify", "systemd-notify does not end", { limit_ms: carryMs });
    await within(clock, carryMs, ended(child), late).finally(() => child.kill("SIGKILL"));
  }
}

function ended(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Fault("notify", "systemd-notify failed", { code: String(code) }));
    });
  });
}
