/**
 * The way to one other KM: one session at a time, made anew for as long as the KM runs. One end dials, the
 * other is connected to (`kx-door.ts`); which is which follows from the KM IDs unless it is configured.
 */
import { randomBytes } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { type Clock, systemClock, within } from "../../base/clock.ts";
import { describe, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { backoff } from "../../base/retry.ts";
import type { TaskBegin } from "../../host/life/progress.ts";
import {
  type Reconnecting,
  type ReconnectingSession,
  reconnecting,
} from "../../host/life/reconnecting.ts";
import { kmWaits } from "../../host/life/waits.ts";
import { inVain } from "../../host/net/dial.ts";
import { trustOf } from "../../host/tls/trust.ts";
import type { Hello, KxMessage } from "../../wire/kx/messages.ts";
import { type KxVersion, size, versionOf } from "../../wire/kx/names.ts";
import { KxConnection } from "./kx-connection.ts";
import { dialKx, type KxIdentity } from "./kx-dial.ts";

/** A connection on which both KMs have said HELLO. */
export interface KxSession {
  /** Of this KM, as its HELLO had them. */
  readonly incarnation: Buffer;
  readonly nonce: Buffer;
  /** What the other KM said. */
  readonly hello: Hello;
  /** Key of the keyed hashes of this session, 16 bytes; the other KM has the same. */
  readonly tagKey: Buffer;
  /** Of the protocol. */
  readonly version: KxVersion;
  /** This KM made the connection. */
  readonly dial: boolean;
  /** Of the key exchange, such as `X25519MLKEM768`. */
  readonly group: string;
  /** In order. Books of any length may be in one message. Does nothing once the session is over. */
  send(message: KxMessage): void;
  /** @param reason one line for a person */
  close(reason: string): void;
}

export interface KxLinkHandlers {
  /** The session before has ended. */
  onSession(session: KxSession): void;
  onMessage(message: KxMessage): void;
  onEnd(why: Fault): void;
  /** A process of the other KM came back, again, whose place another one has taken: both run. Its connection is refused. */
  onTwice?(): void;
}

export interface KxLinkOptions {
  /** KM IDs: of this KM, and of the other. */
  readonly me: string;
  readonly peer: string;
  /** The other KM's certificate must carry this subject alternative name. */
  readonly peerName: string;
  /** Where to dial; undefined: the other KM dials. Exactly one of both must. */
  readonly dial: { readonly host: string; readonly port: number } | undefined;
  /** Read anew for each connection. @throws Fault */
  readonly tls: () => KxIdentity;
  /** 16 bytes drawn at this start of the process. */
  readonly incarnation: Buffer;
  /** SHA-256 of the table of applications, 32 bytes, as it is now. */
  readonly policy: () => Buffer;
  readonly handlers: KxLinkHandlers;
  readonly log: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  readonly task?: TaskBegin;
  /** Versions that it offers when it dials, the newest first; default: all. */
  readonly versions?: readonly KxVersion[];
}

/** Whether this KM dials unless it is configured: the one whose ID has the smaller bytes. */
export function dials(me: string, peer: string): boolean {
  return Buffer.compare(Buffer.from(me), Buffer.from(peer)) < 0;
}

/** Incarnations of the other KM that are remembered: of the last starts. */
const mostFormer = 64;
/** A session that lasts so long was a good one: the next attempt comes soon. */
const settledAfterMs = 30_000;
/** What the other KM is still to be told has to be with it by then, ms; and has so long to get there at the least. */
const leaveMs = 500;
const leastMs = 100;

export class KxLink {
  readonly #options: KxLinkOptions;
  readonly #clock: Clock;
  readonly #limit: LogLimit;
  readonly #faults = new Map<FaultCode, number>();
  #current: KxConnection | undefined;
  #keeping: Reconnecting | undefined;
  #isStopped = false;
  #leaveMs = leaveMs;
  /** Incarnations of the other KM, in hexadecimal: in the order of their first sessions, that of now at the end. */
  #incarnations: readonly string[] = [];
  /** Those of before from which a HELLO came since. */
  readonly #cameBack = new Set<string>();

  constructor(options: KxLinkOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#limit = LogLimit.of(options.log, this.#clock);
  }

  get peer(): string {
    return this.#options.peer;
  }

  /** Subject alternative name that the other KM's certificate must carry. */
  get peerName(): string {
    return this.#options.peerName;
  }

  get isDialer(): boolean {
    return this.#options.dial !== undefined;
  }

  get isUp(): boolean {
    return this.#current !== undefined;
  }

  /** How often connections and attempts ended for each reason. */
  get faults(): ReadonlyMap<FaultCode, number> {
    return this.#faults;
  }

  /** Begins to dial, if this end does. */
  start(): void {
    const { dial, peer, log, task, random = Math.random } = this.#options;
    if (dial === undefined) return;
    this.#keeping = reconnecting({
      name: `KM ${peer}`,
      connect: (signal) => this.#dial(dial, signal),
      schedule: () => backoff({ ...kmWaits, random }),
      settledAfterMs,
      clock: this.#clock,
      log,
      task,
    });
  }

  /**
   * The other KM has connected and said HELLO.
   * @param connection whose certificate carries {@link peerName}; not this link's if it throws
   * @throws Fault `kx.peer`
   */
  accept(connection: KxConnection, hello: Hello): void {
    if (this.isDialer) throw this.#wrong("this end dials");
    if (this.#isStopped) throw stopped();
    this.#check(hello);
    const own = this.#ownHello(connection.version);
    connection.send(own);
    if (!connection.isOver) this.#install(connection, own, hello, () => {});
  }

  /** Ends the session if the other KM would not be let in any more: certificates and lists run out. */
  recheck(): void {
    const connection = this.#current;
    if (connection?.peer === undefined) return;
    const texts = this.#options.tls();
    const { chain } = connection.peer;
    const why = trustOf(texts).refusal(chain, { wall: this.#clock.wall(), ...texts });
    if (why !== undefined) connection.end(new Fault("kx.connect", `certificate refused: ${why}`));
  }

  /**
   * Ends the attempt at hand, and the session once the other KM has all that was said.
   * @param answered all is said; no other session begins from now on
   */
  async stop(answered: Promise<void> = Promise.resolve()): Promise<void> {
    this.#isStopped = true;
    const begun = this.#clock.now();
    await within(this.#clock, leaveMs, answered, stopped).catch(() => {});
    this.#leaveMs = Math.max(leastMs, leaveMs - (this.#clock.now() - begun));
    await Promise.all([this.#keeping?.stop(), this.#leave(this.#current)]);
  }

  async #leave(connection: KxConnection | undefined): Promise<void> {
    await connection?.leave(stopped(), this.#leaveMs);
  }

  /** A connection or an attempt came to nothing. */
  count(why: Fault): void {
    this.#faults.set(why.code, (this.#faults.get(why.code) ?? 0) + 1);
  }

  async #dial(to: { readonly host: string; readonly port: number }, signal: AbortSignal) {
    const { peerName, tls } = this.#options;
    try {
      const { versions } = this.#options;
      const socket = await dialKx({ ...to, peerName, versions }, tls(), this.#clock, signal);
      try {
        return await this.#greet(socket, signal);
      } catch (error) {
        inVain(socket);
        throw error;
      }
    } catch (error) {
      if (error instanceof Fault && error.code !== "stopped") this.count(error);
      throw error;
    }
  }

  /** @returns when the other KM has said HELLO @throws Fault */
  async #greet(socket: TLSSocket, signal: AbortSignal): Promise<ReconnectingSession> {
    const ended = Promise.withResolvers<Fault>();
    const greeted = Promise.withResolvers<ReconnectingSession>();
    const own = this.#ownHello(versionOf(socket.alpnProtocol) ?? 1);
    const close = () => connection.end(stopped());
    const connection: KxConnection = new KxConnection(socket, true, this.#clock, {
      onHello: (hello) => {
        this.#check(hello);
        this.#install(connection, own, hello, ended.resolve);
        greeted.resolve({
          ended: ended.promise,
          close: () => this.#leave(connection),
        });
      },
      onMessage: () => {},
      // Under TLS 1.3 a refusal of our certificate comes after the handshake looked complete from here.
      onEnd: (why) => greeted.reject(why.code === "kx.closed" ? notConnected(why) : why),
    });
    signal.addEventListener("abort", close, { once: true });
    if (signal.aborted) close();
    // It may have ended before anything listened.
    if (socket.destroyed) connection.end(new Fault("kx.closed", "the link was closed"));
    connection.send(own);
    try {
      return await greeted.promise;
    } finally {
      signal.removeEventListener("abort", close);
    }
  }

  #ownHello(version: KxVersion): Hello {
    const { me: from, peer: to, incarnation, policy } = this.#options;
    const nonce = randomBytes(size.nonce);
    return {
      type: "hello",
      version,
      from,
      to,
      incarnation,
      nonce,
      policy: policy(),
    };
  }

  /** @throws Fault `kx.peer` */
  #check({ from, to, incarnation }: Hello): void {
    if (from !== this.#options.peer)
      throw this.#wrong("another KM answers than the one of this link");
    if (to !== this.#options.me) throw this.#wrong("the other KM wants to talk to another KM");
    // What it had asked before, the other may have had since: it must begin anew.
    const name = incarnation.toString("hex");
    if (!this.#incarnations.slice(0, -1).includes(name)) return;
    // The network may have kept the HELLO of a process that is over. One that runs dials again.
    if (this.#cameBack.has(name)) this.#options.handlers.onTwice?.();
    this.#cameBack.add(name);
    throw this.#wrong("this process of the other KM was replaced by another");
  }

  /** It has answered: it runs, and is not a HELLO that came late of a process that is over. */
  #hasTakenPlace(incarnation: string): void {
    if (this.#incarnations.at(-1) === incarnation) return;
    this.#incarnations = [...this.#incarnations.slice(1 - mostFormer), incarnation];
    this.#cameBack.clear();
  }

  #wrong(why: string): Fault {
    return new Fault("kx.peer", why, { peer: this.#options.peer });
  }

  #install(connection: KxConnection, own: Hello, hello: Hello, ended: (why: Fault) => void): void {
    const { peer, handlers, log } = this.#options;
    const group = connection.peer?.group ?? "unknown";
    this.#current?.end(new Fault("kx.closed", "another connection took its place", { peer }));
    this.#current = connection;
    const incarnation = hello.incarnation.toString("hex");
    let isFirst = true;
    connection.handOver({
      onHello: () => {},
      onMessage: (message) => {
        if (isFirst) this.#hasTakenPlace(incarnation);
        isFirst = false;
        handlers.onMessage(message);
      },
      onEnd: (why) => {
        if (this.#current === connection) this.#current = undefined;
        if (why.code !== "stopped") this.count(why);
        // Who dials tells it when it dials anew.
        if (!connection.isDialer) this.#limit.warn(peer, "KM link ended", { cause: describe(why) });
        handlers.onEnd(why);
        ended(why);
      },
    });
    log.info("KM link is up", { peer, group });
    handlers.onSession({
      incarnation: own.incarnation,
      nonce: own.nonce,
      hello,
      tagKey: connection.tagKey(),
      version: connection.version,
      dial: connection.isDialer,
      group,
      send: (message) => connection.send(message),
      close: (reason) => connection.end(new Fault("kx.closed", reason, { peer })),
    });
  }
}

function stopped(): Fault {
  return new Fault("stopped", "the link is being closed");
}

function notConnected(why: Fault): Fault {
  return new Fault("kx.connect", `cannot connect to the other KM: ${why.message}`);
}
