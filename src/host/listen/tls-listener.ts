/**
 * Where clients with certificates connect: TLS, places for connections, and which protocol was agreed on (ALPN). What
 * is said there is for its owner.
 */
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Places, type PlacesOptions } from "../door/places.ts";
import { sourceOf } from "../door/source.ts";
import { ListenError } from "../http/server.ts";
import { TlsClients } from "../tls/clients.ts";
import { noCommonGroup, serverTls, type TlsTexts } from "../tls/options.ts";
import { peerOf, type TlsPeer } from "../tls/peer.ts";

/** A client that was let in. */
export interface TlsClient {
  readonly socket: TLSSocket;
  readonly peer: TlsPeer;
  /** What was agreed on; undefined: the client named nothing. */
  readonly protocol: string | undefined;
  /** Where it comes from, for logs. */
  readonly source: string;
}

export interface TlsListenerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsTexts;
  /** Protocols that are spoken here, the best first. A client that names others alone gets no connection. */
  readonly protocols: readonly string[];
  /** A handshake is complete within this, ms. */
  readonly handshakeMs: number;
  readonly places: Omit<PlacesOptions, "clock">;
  readonly clock: Clock;
  readonly log: Log;
  /** The socket is the owner's from then on. */
  readonly onClient: (client: TlsClient) => void;
}

export class TlsListener {
  readonly #options: TlsListenerOptions;
  readonly #places: Places;
  readonly #clients: TlsClients;
  readonly #limit: LogLimit;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  /** @throws CrlError, or what TLS says if the certificates are no good */
  constructor(options: TlsListenerOptions) {
    this.#options = options;
    const { tls, clock, log, protocols, handshakeMs } = options;
    this.#places = new Places({ ...options.places, clock });
    this.#clients = new TlsClients(tls, clock, log);
    this.#limit = LogLimit.of(log, clock);
    this.#server = createServer({
      ...serverTls(tls, true),
      ALPNProtocols: [...protocols],
      handshakeTimeout: handshakeMs,
    });
    this.#server.maxConnections = this.#places.most;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      if (this.#places.enter(socket)) return;
      this.#limit.warn(sourceOf(socket.remoteAddress), "too many connections");
    });
    this.#server.on("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const cause = noCommonGroup(error, tls) ?? errorCode(error) ?? "other";
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
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

  /** @returns the port @throws ListenError */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => reject(new ListenError(errorCode(error) ?? "unknown"));
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
   * @throws CrlError: all stays as it was; or what TLS says of the certificate: the one before is shown further
   */
  renew(tls: TlsTexts): void {
    this.#clients.renew(tls);
    this.#server.setSecureContext(serverTls(tls, true));
  }

  /** Checks clients that are connected again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#clients.recheck();
  }

  /** Takes no more connections, and cuts those that are no clients yet. Clients are for their owner to end first. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    return closed;
  }

  #admit(socket: TLSSocket): void {
    // An error that nothing listens to would end the process.
    socket.on("error", () => {});
    this.#clients.admit(socket);
    const peer = socket.destroyed ? undefined : peerOf(socket);
    if (peer === undefined) return void socket.destroy();
    const source = sourceOf(socket.remoteAddress);
    if (!this.#places.keep(socket, peer.fingerprint256)) {
      this.#limit.warn(source, "too many connections of one client");
      return void socket.destroy();
    }
    this.#places.wanted(socket);
    const protocol = socket.alpnProtocol || undefined;
    this.#options.onClient({ socket, peer, protocol, source });
  }
}
