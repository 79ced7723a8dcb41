/** Where the follower hears its leader: TLS 1.3 with certificates of both, and a key exchange for later, too. */
import type { Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { every, type Timer } from "../../src/base/clock.ts";
import { describe, errorCode, Fault } from "../../src/base/errors.ts";
import type { Log } from "../../src/base/log.ts";
import { LogLimit } from "../../src/base/log-limit.ts";
import { Places } from "../../src/host/door/places.ts";
import { sourceOf } from "../../src/host/door/source.ts";
import { TlsClients } from "../../src/host/tls/clients.ts";
import { readCredentials } from "../../src/host/tls/credentials.ts";
import { certifiedNames } from "../../src/host/tls/names.ts";
import { serverTls } from "../../src/host/tls/options.ts";
import type { PeerOptions } from "./peer-line.ts";

const places = {
  strangers: 8,
  strangersOfOne: 4,
  kept: 2,
  keptOfOne: 2,
  rate: { burst: 32, refillMs: 500 },
} as const;
const handshakeMs = 10_000;
const renewEvery = 60_000;

export class PeerDoor {
  readonly #options: PeerOptions;
  readonly #onPeer: (socket: TLSSocket) => void;
  readonly #server: Server;
  readonly #clients: TlsClients;
  readonly #places: Places;
  readonly #limit: LogLimit;
  readonly #log: Log;
  readonly #renewing: Timer;
  readonly #sockets = new Set<Socket>();

  /** @param onPeer owns the connection @throws Fault `peer.connect` if the certificates are no good */
  constructor(options: PeerOptions, log: Log, onPeer: (socket: TLSSocket) => void) {
    this.#options = options;
    this.#onPeer = onPeer;
    this.#log = log;
    const { files, clock } = options;
    const tls = { ...readCredentials(files, "peer.connect"), requirePq: true };
    this.#limit = LogLimit.of(log, clock);
    this.#places = new Places({ ...places, clock });
    this.#clients = new TlsClients(tls, clock, log);
    this.#server = createServer({ ...serverTls(tls, true), handshakeTimeout: handshakeMs });
    this.#server.maxConnections = this.#places.most;
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      this.#places.enter(socket);
    });
    this.#server.on("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const cause = errorCode(error) ?? "other";
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
    });
    this.#server.on("error", (error) => log.warn("listening", { cause: errorCode(error) }));
    this.#renewing = every(clock, renewEvery, () => this.#renew());
  }

  /** @throws Fault `link.open` */
  async listen(): Promise<void> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error) => {
        const facts = { host, port, code: errorCode(error) ?? "unknown" };
        reject(new Fault("link.open", "cannot listen for the other end's driver", facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
  }

  async close(): Promise<void> {
    this.#renewing.cancel();
    for (const socket of this.#sockets) socket.destroy();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  /** Goes by the files of now; one that is half written counts a minute later. */
  #renew(): void {
    try {
      const tls = { ...readCredentials(this.#options.files, "peer.connect"), requirePq: true };
      this.#server.setSecureContext(serverTls(tls, true));
      this.#clients.renew(tls);
    } catch (error) {
      this.#log.warn("certificates cannot be used", { cause: describe(error) });
    }
  }

  #admit(socket: TLSSocket): void {
    socket.on("error", () => {});
    this.#clients.admit(socket);
    if (socket.destroyed) return;
    const certificate = socket.getPeerCertificate();
    const { name } = this.#options;
    if (!certifiedNames(certificate).includes(name)) {
      this.#limit.warn(sourceOf(socket.remoteAddress), "another than the leader", { wanted: name });
      return void socket.destroy();
    }
    if (!this.#places.keep(socket, certificate.fingerprint256)) return void socket.destroy();
    this.#places.wanted(socket);
    this.#onPeer(socket);
  }
}
