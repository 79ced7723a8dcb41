/**
 * Where other KMs connect to this one: TLS, places for connections, and which link a connection is for. Until
 * it has said HELLO with the right names and certificate a connection is a stranger's, and is told nothing.
 */
import type { AddressInfo, Socket } from "node:net";
import { createServer, type Server, type TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { describe, errorCode, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Places } from "../../host/door/places.ts";
import { sourceOf } from "../../host/door/source.ts";
import { TlsClients } from "../../host/tls/clients.ts";
import { credentialsReason } from "../../host/tls/credentials.ts";
import { noCommonGroup, serverTls } from "../../host/tls/options.ts";
import type { Hello } from "../../wire/kx/messages.ts";
import { alpn, times } from "../../wire/kx/names.ts";
import { KxConnection } from "./kx-connection.ts";
import type { KxIdentity } from "./kx-dial.ts";
import type { KxLink } from "./kx-link.ts";

export interface KxDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: KxIdentity;
  /** As they are now. */
  readonly links: () => readonly KxLink[];
  readonly log: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** Of a KM: the connection of now, and others that take its place or are on their way out. */
const places = {
  strangers: 32,
  strangersOfOne: 16,
  kept: 256,
  keptOfOne: 8,
  rate: { burst: 128, refillMs: 100 },
} as const;

export class KxDoor {
  readonly #options: KxDoorOptions;
  readonly #clock: Clock;
  readonly #places: Places;
  readonly #limit: LogLimit;
  readonly #clients: TlsClients;
  readonly #server: Server;
  readonly #faults = new Map<FaultCode, number>();
  readonly #strangers = new Set<KxConnection>();

  /** @throws Fault `kx.connect` if the certificates are no good */
  constructor(options: KxDoorOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    this.#clock = clock;
    this.#places = new Places({ ...places, clock });
    this.#limit = LogLimit.of(log, clock);
    try {
      this.#clients = new TlsClients(tls, clock, log);
      this.#server = createServer({
        ...serverTls(tls, true),
        ALPNProtocols: [alpn],
        handshakeTimeout: times.handshakeMs,
      });
    } catch (error) {
      throw notUsable(error, tls);
    }
    this.#server.maxConnections = this.#places.most;
    this.#server.on("connection", (socket: Socket) => {
      const source = sourceOf(socket.remoteAddress);
      if (!this.#places.enter(socket)) this.#limit.warn(source, "too many connections");
    });
    this.#server.on("secureConnection", (socket) => this.#greet(socket));
    this.#server.on("tlsClientError", (error, socket) => {
      const cause = noCommonGroup(error, tls) ?? errorCode(error) ?? "other";
      this.#count("kx.connect");
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
    });
    this.#server.on("error", (error) => {
      this.#limit.warn(options.host, "KM link server", { cause: errorCode(error) ?? "other" });
    });
  }

  /** @returns the port @throws Fault `kx.connect` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => {
        const facts = { host, port, code: errorCode(error) ?? "unknown" };
        reject(new Fault("kx.connect", "cannot listen for other KMs", facts));
      };
      this.#server.once("error", failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off("error", failed);
        resolve();
      });
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** How often connections that became no session ended for each reason. */
  get faults(): ReadonlyMap<FaultCode, number> {
    return this.#faults;
  }

  /** Connections that have not said HELLO yet. */
  get strangers(): number {
    return this.#strangers.size;
  }

  /** New connections use these; those that are open are checked by them. @throws Fault `kx.connect` */
  renew(tls: KxIdentity): void {
    try {
      this.#clients.renew(tls);
      this.#server.setSecureContext(serverTls(tls, true));
    } catch (error) {
      throw notUsable(error, tls);
    }
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#clients.recheck();
  }

  /** Takes no more connections. Sessions are for their links to end. */
  close(): Promise<void> {
    const closing = new Fault("stopped", "the KM is being stopped");
    for (const connection of [...this.#strangers]) connection.end(closing);
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #greet(socket: TLSSocket): void {
    // An error that nothing listens to would end the process.
    socket.on("error", () => {});
    this.#clients.admit(socket);
    if (socket.destroyed) return this.#count("kx.connect");
    const source = sourceOf(socket.remoteAddress);
    const connection: KxConnection = new KxConnection(socket, false, this.#clock, {
      onHello: (hello) => this.#hello(socket, connection, hello),
      onMessage: () => {},
      onEnd: (why) => {
        this.#strangers.delete(connection);
        if (why.code === "stopped") return;
        this.#count(why.code);
        this.#limit.warn(source, "connection of a KM refused", { cause: describe(why) });
      },
    });
    this.#strangers.add(connection);
    // A client that names no protocol gets this far; one that names others does not.
    if (socket.alpnProtocol === alpn) return;
    connection.end(new Fault("kx.connect", `the other end does not speak ${alpn}`));
  }

  /** @throws Fault `kx.peer` */
  #hello(socket: TLSSocket, connection: KxConnection, hello: Hello): void {
    const { peerNames = [], fingerprint256 = "" } = connection.peer ?? {};
    const link = this.#options.links().find(({ peer }) => peer === hello.from);
    // Whether there is such a link is not told to a stranger.
    if (link === undefined || !peerNames.includes(link.peerName)) {
      const why = "no link to a KM of this name with this certificate";
      throw new Fault("kx.peer", why);
    }
    if (!this.#places.keep(socket, fingerprint256)) {
      throw new Fault("kx.closed", "too many connections of one KM");
    }
    this.#places.wanted(socket);
    link.accept(connection, hello);
    this.#strangers.delete(connection);
  }

  #count(code: FaultCode): void {
    this.#faults.set(code, (this.#faults.get(code) ?? 0) + 1);
  }
}

function notUsable(error: unknown, tls: KxIdentity): Fault {
  return new Fault(
    "kx.connect",
    `KM link: certificates cannot be used: ${credentialsReason(error, tls, "KM")}`,
  );
}
