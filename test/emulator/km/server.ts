/** The test KM: a server of Kq-1 over TCP, with TLS 1.3 and mutual authentication unless told not to. */
import { EventEmitter } from "node:events";
import { createServer as createHttpsServer } from "node:https";
import { createServer as createTcpServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer, type TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { type Log, silentLog } from "../../../src/base/log.ts";
import type { Behaviour } from "./behaviours.ts";
import { Connection } from "./connection.ts";
import { Desk, type Policy } from "./desk.ts";
import { serveHttp } from "./http.ts";
import { KmStore, type StoredKey } from "./store.ts";
import { names, type Reason } from "./wire.ts";

const maxConnections = 256;
const handshakeDeadline = 10_000;

/** PEM texts: the KM's own certificate and key, and the authority whose clients it accepts. */
export interface TlsMaterial {
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  readonly ca: string | Buffer;
}

export interface KeyManagerOptions {
  /** `plain`: TCP without TLS, for a bench. */
  readonly security: TlsMaterial | "plain";
  /** TCP (Annex A) or HTTPS (Annex B); default TCP. */
  readonly binding?: "tcp" | "https";
  readonly policy?: Policy;
  readonly store?: KmStore;
  readonly clock?: Clock;
  readonly log?: Log;
}

export interface KmCounts {
  /** Connections accepted since the KM was made; with TLS, after the handshake. */
  readonly connections: number;
  /** Connections that are open now. */
  readonly open: number;
  /** TLS handshakes that failed, for want of a good certificate or for any other cause. */
  readonly refusedHandshakes: number;
  /** Responses sent, by reason. */
  readonly answers: Readonly<Record<Reason, number>>;
  /** Messages that answer nothing this KM asked. */
  readonly badResponses: number;
}

export interface KmEvents {
  /** A key arrived for the first time. */
  stored: [key: StoredKey];
  /** A key arrived that was there already. */
  repeated: [key: StoredKey];
  /** A message was refused. */
  refused: [reason: Reason, fault: Fault];
  /** A connection was accepted; the names are those of the client's certificate. */
  connected: [names: readonly string[]];
  /** A TLS handshake failed. */
  handshakeRefused: [cause: string];
}

function address(socket: Socket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`;
}

/** CN and subject alternative names of the client's certificate. */
function peerNames(socket: TLSSocket): string[] {
  const { subject, subjectaltname } = socket.getPeerCertificate();
  const alternatives = subjectaltname?.split(", ") ?? [];
  return [
    ...[subject?.CN ?? []].flat(),
    ...alternatives.map((name) => name.replace(/^(DNS|IP Address|URI):/, "")),
  ];
}

export class KeyManager extends EventEmitter<KmEvents> {
  readonly store: KmStore;
  readonly #options: KeyManagerOptions;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #desk: Desk;
  readonly #connections = new Set<Connection>();
  /** Sockets whose handshake is not over, by the peer's address. */
  readonly #handshakes = new Map<string, Socket>();
  #server: Server | undefined;
  #stopping: Promise<void> | undefined;
  #port = 0;
  #accepted = 0;
  #refusedHandshakes = 0;
  #badResponses = 0;
  #messageId = 0;
  #stopHttp = () => {};

  constructor(options: KeyManagerOptions) {
    super();
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#log = options.log ?? silentLog;
    this.store = options.store ?? new KmStore();
    this.#desk = new Desk(this.store, options.policy ?? {}, {
      stored: (key) => this.emit("stored", key),
      repeated: (key) => this.emit("repeated", key),
      refused: (reason, fault) => {
        this.#log.warn("message refused", { reason, cause: describe(fault) });
        this.emit("refused", reason, fault);
      },
    });
  }

  get options(): KeyManagerOptions {
    return this.#options;
  }

  /** The port it listens on, or listened on last; 0 before the first time. */
  get port(): number {
    return this.#port;
  }

  get counts(): KmCounts {
    return {
      connections: this.#accepted,
      open: this.#connections.size,
      refusedHandshakes: this.#refusedHandshakes,
      answers: { ...this.#desk.answers },
      badResponses: this.#badResponses,
    };
  }

  /**
   * Asks a node for keys over the connection it made last (Kq-1 §7.2), and stores them.
   * @param asked members of the request; number and size are the node's own defaults if left out
   * @param token what this request is called, to be able to repeat it: the same again is a repeat
   * @returns the answer, without the keys' bytes
   * @throws Fault `kq1.closed` without a connection, or if it ends before the answer
   */
  async request(
    asked: Readonly<Record<string, unknown>> | Buffer = {},
    token?: string,
  ): Promise<{ response: string; ids: string[]; remaining: number }> {
    const connection = [...this.#connections].at(-1);
    if (connection === undefined) throw new Fault("kq1.closed", "no node is connected");
    const named = token === undefined ? {} : { [names.extension]: [{ [names.requestId]: token }] };
    const payload = Buffer.isBuffer(asked)
      ? asked
      : Buffer.from(JSON.stringify({ ...asked, ...named }));
    const { response, keys, remaining } = await connection.request(this.#messageId++, payload);
    for (const supply of keys) {
      if (this.store.put(supply) !== "stored") supply.bytes.fill(0);
    }
    return { response, ids: keys.map(({ facts }) => facts.id), remaining };
  }

  /** Adds a behaviour, after those it has. Returns what takes it away again. */
  behave(behaviour: Behaviour): () => void {
    this.#desk.behaviours.add(behaviour);
    return () => this.#desk.behaviours.delete(behaviour);
  }

  /**
   * Listens, also again after {@link stop}; the store is as it was.
   * @param where default: 127.0.0.1, and the port it had before or, the first time, a free one
   * @returns the port
   * @throws Fault `kq1.connect` if it can't, already does, or the TLS material is no good
   */
  async listen(where: { host?: string; port?: number } = {}): Promise<number> {
    await this.#stopping;
    const { host = "127.0.0.1", port = this.#port } = where;
    if (this.#server !== undefined) {
      throw new Fault("kq1.connect", "the KM listens already", { port: this.#port });
    }
    const server = this.#createServer();
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once("error", reject);
      server.listen({ host, port }, resolve);
    }).catch((error: unknown) => {
      this.#server = undefined;
      throw new Fault("kq1.connect", `the KM can't listen: ${describe(error)}`, { host, port });
    });
    server.on("error", (error) => this.#log.error("server", { cause: describe(error) }));
    const address = server.address();
    if (typeof address === "object" && address !== null) this.#port = address.port;
    return this.#port;
  }

  /** Stops listening and closes every connection, within a second. The store stays. */
  stop(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return Promise.resolve();
    this.#stopping ??= new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const connection of this.#connections) connection.close();
      this.#stopHttp();
      for (const socket of this.#handshakes.values()) socket.destroy();
    }).finally(() => {
      this.#server = undefined;
      this.#stopping = undefined;
    });
    return this.#stopping;
  }

  /** {@link stop}, and wipes the store. Any number of times. */
  async close(): Promise<void> {
    await this.stop();
    this.store.wipe();
  }

  /**
   * Resolves once it holds `count` keys or more.
   * @param signal ends the wait, which then rejects with the signal's reason
   */
  holding(count: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (done: () => void) => {
        this.off("stored", check);
        signal.removeEventListener("abort", abort);
        done();
      };
      const check = () => {
        if (this.store.size >= count) settle(resolve);
      };
      const abort = () => settle(() => reject(signal.reason));
      this.on("stored", check);
      signal.addEventListener("abort", abort);
      if (signal.aborted) abort();
      else check();
    });
  }

  #createServer(): Server {
    if (this.#options.binding === "https") return this.#https();
    const server = this.#options.security === "plain" ? this.#plain() : this.#tls();
    server.maxConnections = maxConnections;
    return server;
  }

  #https(): Server {
    const { cert, key, ca } = this.#options.security as TlsMaterial;
    const server = createHttpsServer(
      { cert, key, ca, minVersion: "TLSv1.3", requestCert: true, rejectUnauthorized: true },
      (request, response) =>
        void serveHttp(this.#desk, peerNames(request.socket as TLSSocket), request, response),
    );
    server.on("secureConnection", () => this.#accepted++);
    server.on("tlsClientError", () => this.#refusedHandshakes++);
    // Those too whose handshake is not over, of which HTTP knows nothing.
    const sockets = new Set<Socket>();
    server.on("connection", (socket: Socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
    });
    this.#stopHttp = () => {
      for (const socket of sockets) socket.destroy();
    };
    return server;
  }

  #plain(): Server {
    return createTcpServer((socket) => this.#accept(socket, undefined));
  }

  #tls(): Server {
    const { cert, key, ca } = this.#options.security as TlsMaterial;
    const server = this.#secure({ cert, key, ca });
    server.on("connection", (socket) => {
      const peer = address(socket);
      this.#handshakes.set(peer, socket);
      socket.once("close", () => this.#handshakes.delete(peer));
      // It came just before the stop, which would wait for its handshake.
      if (this.#stopping !== undefined) socket.destroy();
    });
    server.on("secureConnection", (socket) => {
      this.#handshakes.delete(address(socket));
      this.#accept(socket, peerNames(socket));
    });
    server.on("tlsClientError", (error, socket) => {
      if (this.#stopping !== undefined) return;
      this.#refusedHandshakes++;
      const cause = socket.authorizationError?.toString() ?? describe(error);
      this.#log.warn("TLS handshake refused", { cause });
      this.emit("handshakeRefused", cause);
    });
    return server;
  }

  #secure(material: TlsMaterial) {
    try {
      return createTlsServer({
        ...material,
        minVersion: "TLSv1.3",
        requestCert: true,
        rejectUnauthorized: true,
        handshakeTimeout: handshakeDeadline,
      });
    } catch (error) {
      throw new Fault("kq1.connect", `certificate, key or CA can't be used: ${describe(error)}`);
    }
  }

  #accept(socket: Socket, names: readonly string[] | undefined): void {
    const connection = new Connection(socket, names, {
      desk: this.#desk,
      clock: this.#clock,
      log: this.#log,
      onBadResponse: () => {
        this.#badResponses++;
      },
    });
    this.#accepted++;
    this.#connections.add(connection);
    socket.once("close", () => this.#connections.delete(connection));
    // Accepted just before the stop, and handed over only now.
    if (this.#stopping !== undefined) connection.close();
    this.emit("connected", names ?? []);
  }
}
