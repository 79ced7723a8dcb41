/**
 * Where clients with certificates connect: TLS, places for connections, and which protocol was agreed on (ALPN). What
 * is said there is for its owner.
 */
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { describe, errorCode, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Places, type PlacesOptions } from "../door/places.ts";
import { sourceOf } from "../door/source.ts";
import { TlsClients } from "../tls/clients.ts";
import { type Credentials, type KeptCredentials, unusableFault } from "../tls/credentials.ts";
import { noCommonGroup, serverTls, type TlsTexts } from "../tls/options.ts";
import { peerOf, type TlsPeer } from "../tls/peer.ts";

const renewMs = 60_000;

/** PEM texts: who may connect, and who listens. */
export type ListenerTexts = TlsTexts & Pick<Credentials, "ca" | "cert" | "key">;

/** A client that was let in. */
export interface TlsClient {
  readonly socket: TLSSocket;
  readonly peer: TlsPeer;
  /** What was agreed on; undefined: the client named nothing. */
  readonly protocol: string | undefined;
  /** Where it comes from, for logs. */
  readonly source: string;
  /**
   * It has shown who it is, and has a place of its own from now on. Until then it has a stranger's, which it loses
   * when another needs it. @returns false: there is none, and it was cut off
   */
  keep(): boolean;
}

export interface TlsListenerOptions {
  /** What is told if it cannot be: code, its name ("KM link"), and who would connect ("other KMs"). */
  readonly code: FaultCode;
  readonly name: string;
  readonly peers: string;
  readonly host: string;
  readonly port: number;
  readonly tls: ListenerTexts;
  /**
   * Protocols that are spoken here, the best first; empty: none is named. A client that names others alone gets no
   * connection.
   */
  readonly protocols: readonly string[];
  /** A handshake is complete within this, ms. */
  readonly handshakeMs: number;
  readonly places: Omit<PlacesOptions, "clock">;
  readonly clock: Clock;
  readonly log: Log;
  /** The socket is the owner's from then on: it keeps the client, or ends it. */
  readonly onClient: (client: TlsClient) => void;
  /** A connection came to no client: its handshake failed, or its certificate is no good. */
  readonly onRefused?: () => void;
}

export class TlsListener {
  readonly #options: TlsListenerOptions;
  readonly #places: Places;
  readonly #clients: TlsClients;
  readonly #limit: LogLimit;
  readonly #server: Server;

  /** @throws Fault of `code` if the certificates are no good */
  constructor(options: TlsListenerOptions) {
    this.#options = options;
    const { tls, clock, log, protocols, handshakeMs } = options;
    this.#places = new Places({ ...options.places, clock });
    this.#limit = LogLimit.of(log, clock);
    try {
      this.#clients = new TlsClients(tls, clock, log);
      this.#server = createServer({
        ...serverTls(tls, true),
        ...(protocols.length > 0 && { ALPNProtocols: [...protocols] }),
        handshakeTimeout: handshakeMs,
      });
    } catch (error) {
      throw this.#unusable(error, tls);
    }
    this.#server.maxConnections = this.#places.most;
    this.#server.on("connection", (socket: Socket) => {
      if (this.#places.enter(socket)) return;
      this.#limit.warn(sourceOf(socket.remoteAddress), "too many connections");
    });
    this.#server.on("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const cause = noCommonGroup(error, tls) ?? errorCode(error) ?? "other";
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
      options.onRefused?.();
      // Where the time for a handshake was over, Node.js leaves it open.
      socket.destroy();
    });
    this.#server.on("error", (error) => {
      this.#limit.warn(options.host, "TLS server", { cause: errorCode(error) ?? "other" });
    });
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#clients.groups;
  }

  /** @returns the port @throws Fault of `code` */
  async listen(): Promise<number> {
    const { host, port, code: fault, peers } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => {
        const facts = { host, port, code: errorCode(error) ?? "unknown" };
        reject(new Fault(fault, `cannot listen for ${peers}`, facts));
      };
      this.#server.once("error", failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", failed);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * New connections use these; those that are open are checked by them, and cut if they are not accepted.
   * @throws Fault of `code` if lists cannot be used: all stays as it was; or the certificate: the one before is shown
   *   further
   */
  renew(tls: ListenerTexts): void {
    try {
      this.#clients.renew(tls);
      this.#server.setSecureContext(serverTls(tls, true));
    } catch (error) {
      throw this.#unusable(error, tls);
    }
  }

  #unusable(error: unknown, tls: ListenerTexts): Fault {
    return unusableFault(error, tls, this.#options, "client");
  }

  /** Checks clients that are connected again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#clients.recheck();
  }

  /**
   * Takes no more connections, and cuts those that have no place of their own. The others are for their owner to end.
   * @returns when all are over
   */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#places.cutStrangers();
    return closed;
  }

  #admit(socket: TLSSocket): void {
    // An error that nothing listens to would end the process.
    socket.on("error", () => {});
    this.#clients.admit(socket);
    const peer = socket.destroyed ? undefined : peerOf(socket);
    if (peer === undefined) {
      this.#options.onRefused?.();
      return void socket.destroy();
    }
    const source = sourceOf(socket.remoteAddress);
    const protocol = socket.alpnProtocol || undefined;
    const keep = () => this.#keep(socket, peer, source);
    this.#options.onClient({ socket, peer, protocol, source, keep });
  }

  #keep(socket: TLSSocket, { fingerprint256 }: TlsPeer, source: string): boolean {
    if (!this.#places.keep(socket, fingerprint256)) {
      this.#limit.warn(source, "too many connections of one client");
      socket.destroy();
      return false;
    }
    this.#places.wanted(socket);
    return true;
  }
}

/**
 * Has a listener go by the certificates on disk, looked at each minute: they are renewed there. What is half written
 * counts a minute later, and is logged; what else was renewed counts at once.
 */
export function renewing(
  listener: TlsListener,
  credentials: KeptCredentials,
  {
    requirePq,
    clock,
    log,
  }: Pick<TlsTexts, "requirePq"> & { readonly clock: Clock; readonly log: Log },
): Timer {
  return every(clock, renewMs, () => {
    try {
      listener.renew({ ...credentials.read(), requirePq });
      if (credentials.trouble !== undefined) throw credentials.trouble;
    } catch (error) {
      log.warn("certificates cannot be used", { cause: describe(error) });
    }
  });
}
