/**
 * The way to one QKDN controller: one session at a time, made anew for as long as the KM runs. On each the KM first
 * tells all of its state; nothing of the session before is heard.
 */
import type { TLSSocket } from "node:tls";
import { type Clock, delay, systemClock } from "../../base/clock.ts";
import { Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { backoff } from "../../base/retry.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import {
  type Reconnecting,
  type ReconnectingSession,
  reconnecting,
} from "../../host/life/reconnecting.ts";
import { kmWaits } from "../../host/life/waits.ts";
import { inVain } from "../../host/net/dial.ts";
import { peerOf, type TlsPeer } from "../../host/tls/peer.ts";
import { reasonOfCode } from "../../host/tls/reason.ts";
import { trustOf } from "../../host/tls/trust.ts";
import { refusalOf } from "../../wire/ck/check.ts";
import type { CkMessage, CkMessageOf } from "../../wire/ck/messages.ts";
import { alpn } from "../../wire/ck/names.ts";
import type { CkAsked, CkSession } from "../../wire/ck/session.ts";
import { type CkEndpoint, type CkIdentity, dialCk } from "./ck-dial.ts";
import { ckSessionOver } from "./ck-session.ts";

export interface CkLinkOptions extends CkEndpoint {
  /** Of the controller, for logs. */
  readonly name: string;
  /** Read anew for each connection. @throws Fault */
  readonly tls: () => CkIdentity;
  /** What is told: all of the state if `whole`, else a sign of life. */
  readonly report: (whole: boolean) => CkMessageOf<"report">;
  readonly handlers: CkLinkHandlers;
  readonly log: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  readonly task?: TaskBegin;
}

export interface CkLinkHandlers {
  /** What it answered to the state of this KM: before {@link onSession}, unless it takes none. */
  onReported?(answer: CkMessage): void;
  /** The controller has this KM's state, or has not refused its certificate where it takes none. */
  onSession(session: CkSession): void;
  /** May come before {@link onSession}: a controller may ask as soon as it is connected. */
  onCommand(asked: CkAsked): void;
  /** Of a session that {@link onSession} was told of. */
  onEnd(why: Fault): void;
}

/** A session that lasts so long was a good one: the next attempt comes soon. */
const settledAfterMs = 30_000;
/** A controller that speaks the draft alone has refused our certificate by then, ms. */
const refusedMs = 250;

export class CkLink {
  readonly #options: CkLinkOptions;
  readonly #clock: Clock;
  readonly #faults = new Map<FaultCode, number>();
  #current: { readonly session: CkSession; readonly peer: TlsPeer | undefined } | undefined;
  #keeping: Reconnecting | undefined;

  constructor(options: CkLinkOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  /** The session of now; undefined while there is none. */
  get session(): CkSession | undefined {
    return this.#current?.session;
  }

  /** Group of the key exchange, such as `X25519MLKEM768`; undefined while there is no session. */
  get group(): string | undefined {
    return this.#current?.peer?.group;
  }

  /** How often connections and attempts ended for each reason. */
  get faults(): ReadonlyMap<FaultCode, number> {
    return this.#faults;
  }

  start(): void {
    const { name, log, task, random = Math.random } = this.#options;
    this.#keeping ??= reconnecting({
      name: `controller ${name}`,
      connect: (signal) => this.#connect(signal),
      onDown: (error) => this.#count(error),
      schedule: () => backoff({ ...kmWaits, random }),
      settledAfterMs,
      clock: this.#clock,
      log,
      task,
    });
  }

  /** Ends the session if the controller would not be believed any more: certificates and lists run out. */
  recheck(): void {
    const { session, peer } = this.#current ?? {};
    if (session === undefined || peer === undefined) return;
    const texts = this.#options.tls();
    const why = trustOf(texts).refusal(peer.chain, { wall: this.#clock.wall(), ...texts });
    if (why !== undefined) session.end(new Fault("ck.connect", `certificate refused: ${why}`));
  }

  /** Ends the session and the attempt at hand. */
  async stop(): Promise<void> {
    await this.#keeping?.stop();
  }

  async #connect(signal: AbortSignal): Promise<ReconnectingSession> {
    const { name, log, handlers, binding } = this.#options;
    const socket = await dialCk(this.#options, this.#options.tls(), this.#clock, signal);
    const peer = peerOf(socket);
    const ended = Promise.withResolvers<Fault>();
    const session = this.#open(socket, ended.resolve);
    const stop = () => session.end(new Fault("stopped", "the link to the controller is closed"));
    signal.addEventListener("abort", stop, { once: true });
    if (signal.aborted) stop();
    try {
      await this.#greet(session, binding === "grpc" || socket.alpnProtocol === alpn, ended.promise);
    } catch (error) {
      inVain(socket);
      session.end(error as Fault);
      throw error;
    } finally {
      signal.removeEventListener("abort", stop);
    }
    this.#current = { session, peer };
    log.info("controller is connected", { controller: name, group: peer?.group ?? "unknown" });
    const over = ended.promise.then((why) => {
      this.#current = undefined;
      handlers.onEnd(why);
      return why;
    });
    handlers.onSession(session);
    return { ended: over, close: async () => stop() };
  }

  #open(socket: TLSSocket, ended: (why: Fault) => void): CkSession {
    const { binding, serverName, report, handlers } = this.#options;
    return ckSessionOver(socket, binding, serverName, {
      clock: this.#clock,
      report: () => report(false),
      handlers: { onCommand: (asked) => handlers.onCommand(asked), onEnd: ended },
    });
  }

  /** @throws Fault if the controller does not want this KM: under TLS 1.3 that shows after the handshake */
  async #greet(session: CkSession, ours: boolean, ended: Promise<Fault>): Promise<void> {
    if (!ours) {
      await Promise.race([delay(this.#clock, refusedMs), ended]);
      if (session.isOver) throw notConnected(await ended);
      return;
    }
    try {
      const { message } = await session.request(this.#options.report(true));
      const why = refusalOf(message);
      if (why === undefined) return this.#options.handlers.onReported?.(message);
      // Text of another end is not for the log.
      throw new Fault("ck.connect", "the controller refuses this KM's report");
    } catch (error) {
      throw session.isOver ? notConnected(await ended) : error;
    }
  }

  #count(error: Error): void {
    const code = error instanceof Fault ? error.code : "ck.closed";
    this.#faults.set(code, (this.#faults.get(code) ?? 0) + 1);
  }
}

function notConnected(why: Fault): Fault {
  if (why.code !== "ck.closed") return why;
  const cause =
    typeof why.facts.cause === "string" ? reasonOfCode(why.facts.cause, "controller") : "";
  const said = cause === "" ? why.message : cause;
  return new Fault("ck.connect", `cannot connect to the controller: ${said}`);
}
