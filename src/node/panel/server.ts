/**
 * Where the panel process connects: a Unix socket that its group may use, one connection at a time.
 * Whatever comes over it ends at worst the connection.
 */
import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { backoff } from "../../base/retry.ts";
import {
  beatMs,
  decodePanel,
  encodeLine,
  Lines,
  type NodeMessage,
  type PanelMessage,
  silentMs,
} from "../../port/panel.ts";

export interface PanelServerParts {
  /** Where the socket is; its folder must be there. */
  readonly path: string;
  readonly clock: Clock;
  readonly random: () => number;
  readonly log: Log;
  readonly onMessage: (message: PanelMessage) => void;
  /** The panel's process is gone, for the reason given. */
  readonly onGone: (reason: string) => void;
  /** What the panel is told. */
  readonly message: () => NodeMessage;
}

/** A panel says two things a second, and a little more when something happens. */
const mostLines = 500;
/** A panel that reads nothing is told no more, bytes. */
const mostUnread = 65_536;
/** Before silence is believed, what has arrived is read: this process may have been the slow one. */
const graceMs = 50;
const listenWaits = { firstMs: 500, maxMs: 10_000 } as const;

export class PanelServer {
  readonly #parts: PanelServerParts;
  #server: Server | undefined;
  #socket: Socket | undefined;
  #timers: Timer[] = [];
  #again: Timer | undefined;
  readonly #waits: Iterator<number>;
  #heardAt = 0;
  #stopped = false;
  /** Lines in the second at hand. */
  #lines = 0;

  constructor(parts: PanelServerParts) {
    this.#parts = parts;
    this.#waits = backoff({ ...listenWaits, random: parts.random });
  }

  /** Listens as soon as that is possible; a socket that can't be made does not hold up anything. */
  start(): void {
    const { clock } = this.#parts;
    this.#timers = [
      every(clock, beatMs, () => this.notify()),
      every(clock, 1_000, () => {
        this.#lines = 0;
      }),
    ];
    void this.#listen();
  }

  /** Tells the panel at once how the node is. */
  notify(): void {
    const socket = this.#socket;
    if (socket === undefined || socket.writableLength > mostUnread) return;
    socket.write(encodeLine(this.#parts.message()));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of [...this.#timers, this.#again]) timer?.cancel();
    this.#socket?.destroy();
    const server = this.#server;
    if (server !== undefined) await new Promise<void>((resolve) => server.close(() => resolve()));
  }

  async #listen(): Promise<void> {
    const { path, log, clock, onGone } = this.#parts;
    try {
      await clear(path);
      if (this.#stopped) return;
      this.#server = await listen(path, (socket) => this.#accept(socket));
      if (this.#stopped) return void this.#server.close();
      chmodSync(path, 0o660);
      log.info("waiting for the panel", { path });
    } catch (error) {
      const reason = describe(error);
      log.error("panel socket", { why: reason });
      onGone(reason);
      if (this.#stopped) return;
      this.#again = clock.after(this.#waits.next().value ?? 1_000, () => void this.#listen());
    }
  }

  #accept(socket: Socket): void {
    const { log, clock } = this.#parts;
    const limit = LogLimit.of(log, clock);
    socket.on("error", () => {});
    if (this.#socket !== undefined || this.#stopped) {
      limit.warn("", "a second panel is refused");
      return void socket.destroy();
    }
    this.#socket = socket;
    this.#heardAt = clock.now();
    limit.info("", "panel connected");
    const lines = new Lines();
    const silence = every(clock, silentMs / 8, () => {
      if (clock.now() - this.#heardAt < silentMs) return;
      clock.after(graceMs, () => {
        if (clock.now() - this.#heardAt < silentMs || socket.destroyed) return;
        socket.destroy(new Fault("panel.silent", "panel says nothing", { limit_ms: silentMs }));
      });
    });
    let reason = "panel disconnected";
    socket.on("data", (chunk: Buffer) => {
      try {
        lines.push(chunk, (line) => this.#line(line));
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        socket.destroy(error);
      }
    });
    socket.on("error", (error) => {
      reason = error instanceof Fault ? describe(error) : reason;
    });
    // A side that ended is of no use.
    socket.on("end", () => socket.destroy());
    socket.on("close", () => {
      silence.cancel();
      this.#socket = undefined;
      if (this.#stopped) return;
      limit.warn("", "panel connection ended", { reason });
      this.#parts.onGone(reason);
    });
    this.notify();
  }

  #line(line: Buffer): void {
    this.#lines++;
    if (this.#lines > mostLines) {
      throw new Fault("panel.message", "panel talks too much", { limit: mostLines, per: "second" });
    }
    const message = decodePanel(line);
    this.#heardAt = this.#parts.clock.now();
    this.#parts.onMessage(message);
  }
}

/** Removes a socket without a listener: a node that was killed left it. */
async function clear(path: string): Promise<void> {
  let socket: boolean;
  try {
    socket = lstatSync(path).isSocket();
  } catch (error) {
    if (errorCode(error) === "ENOENT") return;
    throw new Fault("link.open", "cannot look at the panel socket", facts(path, error));
  }
  if (!socket)
    throw new Fault("link.open", "something else is where the socket should be", { path });
  const used = await new Promise<boolean>((resolve) => {
    const probe = connect(path);
    probe.on("connect", () => {
      probe.destroy();
      resolve(true);
    });
    probe.on("error", () => resolve(false));
  });
  if (used) throw new Fault("link.open", "another process has the panel socket", { path });
  rmSync(path, { force: true });
}

function listen(path: string, onSocket: (socket: Socket) => void): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer(onSocket);
    server.once("error", (error) =>
      reject(new Fault("link.open", "cannot make the panel socket", facts(path, error))),
    );
    server.listen(path, () => resolve(server));
  });
}

function facts(path: string, error: unknown) {
  return { path, code: errorCode(error) ?? "unknown" };
}
