/** Kq-1 over TCP, the KM's side (Annex A): nodes connect, and supply keys of one module or several. */
import { type AddressInfo, createServer as createTcp, type Server, type Socket } from "node:net";
import { createServer as createTls, type TLSSocket, type Server as TlsServer } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { sourceOf } from "../../host/door/source.ts";
import { unusableFault } from "../../host/tls/credentials.ts";
import { serverTls } from "../../host/tls/options.ts";
import type { KqFrame } from "../../wire/kq1/frame.ts";
import { alpn as kq2Protocol } from "../../wire/kq2/names.ts";
import { Kq1Line } from "./kq1-line.ts";
import type { Kq2Lines } from "./kq2-line.ts";
import {
  type Admitted,
  type DoorTimes,
  type ServerTexts,
  standardTimes,
  TlsDoor,
} from "./tls-door.ts";
import type { Turn } from "./turn.ts";

/** A KM that asks its nodes for keys is told of its connections (§7.2). */
export interface LineWatcher {
  opened(line: Kq1Line): void;
  /** A Response to key request; valid until this returns. */
  responded(line: Kq1Line, frame: KqFrame): void;
  closed(line: Kq1Line): void;
}

export interface Kq1ServerOptions {
  readonly host: string;
  readonly port: number;
  /** Undefined: plain TCP, for a bench only. */
  readonly tls: ServerTexts | undefined;
  readonly turn: Turn;
  readonly watcher?: LineWatcher;
  /** Where nodes go that ask for Kq-2 in the handshake; undefined: it is not offered. */
  readonly kq2?: Kq2Lines | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<DoorTimes>;
  readonly log: Log;
}

/** As faults name it. */
const named = { code: "kq1.connect", name: "Kq-1 server" } as const;
/** Connections that are still open so long after the server was closed are cut, ms. */
const closeTimeout = 700;

export class Kq1Server {
  readonly #options: Kq1ServerOptions;
  readonly #clock: Clock;
  readonly #times: DoorTimes;
  readonly #door: TlsDoor;
  readonly #server: Server;
  readonly #lines = new Set<Kq1Line>();
  /** Connections, also those that are no lines yet. */
  readonly #sockets = new Set<Socket>();

  /** @throws Fault `kq1.connect` if the certificates are no good */
  constructor(options: Kq1ServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    this.#clock = clock;
    this.#times = { ...standardTimes, ...options.times };
    try {
      this.#door = new TlsDoor(tls, clock, log);
      this.#server = tls === undefined ? this.#plain() : this.#secure(tls);
    } catch (error) {
      if (tls === undefined) throw error;
      throw unusableFault(error, tls, named, "node");
    }
    this.#server.maxConnections = this.#door.most;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      log.warn("Kq-1 server", { cause: error.code ?? "other" });
    });
  }

  /** Connections of nodes. */
  get connections(): number {
    return this.#lines.size;
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#door.keyExchanges;
  }

  /** @returns the port @throws Fault `kq1.connect` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const facts = { host, port, code: error.code ?? "unknown" };
        reject(new Fault(named.code, `${named.name} cannot listen`, facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * New connections use these; those that are open are checked by them, and cut if they are not accepted.
   * @throws Fault `kq1.connect` if lists cannot be used: all stays as it was; or the certificate: the one
   *   before is shown further
   */
  renew(tls: ServerTexts): void {
    try {
      this.#door.renew(tls);
      (this.#server as TlsServer).setSecureContext(serverTls(tls, true));
    } catch (error) {
      throw unusableFault(error, tls, named, "node");
    }
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#door.recheck();
  }

  /** Resolves within a second. What has no answer yet gets none. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const line of this.#lines) line.close();
    const late = this.#clock.after(closeTimeout, () => {
      for (const socket of this.#sockets) socket.destroy();
    });
    await closed;
    late.cancel();
  }

  #plain(): Server {
    return createTcp({ allowHalfOpen: true }, (socket) => {
      if (!this.#door.enter(socket)) return;
      const source = sourceOf(socket.remoteAddress);
      const spoke = () => void this.#door.keep(socket, source, source);
      this.#open(socket, { names: undefined, source }, spoke);
    });
  }

  #secure(tls: ServerTexts): TlsServer {
    const { kq2 } = this.#options;
    const server = createTls({
      ...serverTls(tls, true),
      // Kq-1 has no protocol name: a client of another one is let go on, as one that names none.
      ...(kq2 && {
        ALPNCallback: ({ protocols }: { readonly protocols: readonly string[] }) =>
          protocols.includes(kq2Protocol) ? kq2Protocol : protocols[0],
      }),
      handshakeTimeout: this.#times.handshake,
      allowHalfOpen: true,
    });
    server.on("connection", (socket: Socket) => this.#door.enter(socket));
    server.on("secureConnection", (socket: TLSSocket) => {
      const admitted = this.#door.admit(socket);
      if (admitted === undefined) return;
      if (socket.alpnProtocol === kq2Protocol) kq2?.open(socket, admitted);
      else this.#open(socket, admitted, () => {});
    });
    server.on("tlsClientError", (error, socket) => {
      this.#door.refused(error, socket);
      // Where the time for a handshake was over, Node.js leaves it open.
      socket.destroy();
    });
    return server;
  }

  #open(socket: Socket, admitted: Admitted, spoke: () => void): void {
    const { turn, log, watcher } = this.#options;
    const line: Kq1Line = new Kq1Line(socket, admitted, {
      turn,
      clock: this.#clock,
      log,
      times: this.#times,
      spoke,
      ...(watcher && { responded: (from, frame) => watcher.responded(from, frame) }),
      closed: () => {
        this.#lines.delete(line);
        watcher?.closed(line);
      },
    });
    this.#lines.add(line);
    watcher?.opened(line);
  }
}
