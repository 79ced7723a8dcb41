/**
 * Where other KMs connect to this one: TLS, places for connections, and which link a connection is for. Until
 * it has said HELLO with the right names and certificate a connection is a stranger's, and is told nothing.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { describe, Fault, type FaultCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { type TlsClient, TlsListener } from "../../host/listen/tls-listener.ts";
import { hasName } from "../../host/tls/names.ts";
import type { Hello } from "../../wire/kx/messages.ts";
import { alpnOf, times, versionOf, versions } from "../../wire/kx/names.ts";
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
  readonly #limit: LogLimit;
  readonly #listener: TlsListener;
  readonly #faults = new Map<FaultCode, number>();
  readonly #strangers = new Set<KxConnection>();

  /** @throws Fault `kx.connect` if the certificates are no good */
  constructor(options: KxDoorOptions) {
    this.#options = options;
    const { host, port, tls, log, clock = systemClock } = options;
    this.#clock = clock;
    this.#limit = LogLimit.of(log, clock);
    this.#listener = new TlsListener({
      code: "kx.connect",
      name: "KM link",
      peers: "other KMs",
      host,
      port,
      tls,
      protocols: versions.map(alpnOf),
      handshakeMs: times.handshakeMs,
      places,
      clock,
      log,
      onClient: (client) => this.#greet(client),
      onRefused: () => this.#count("kx.connect"),
    });
  }

  /** @returns the port @throws Fault `kx.connect` */
  listen(): Promise<number> {
    return this.#listener.listen();
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
    this.#listener.renew(tls);
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#listener.recheck();
  }

  /** Takes no more connections. Sessions are for their links to end. */
  close(): Promise<void> {
    const closing = new Fault("stopped", "the KM is being stopped");
    for (const connection of [...this.#strangers]) connection.end(closing);
    return this.#listener.close();
  }

  #greet(client: TlsClient): void {
    const { socket, source, protocol } = client;
    const connection: KxConnection = new KxConnection(socket, false, this.#clock, {
      onHello: (hello) => this.#hello(client, connection, hello),
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
    if (versionOf(protocol) !== undefined) return;
    const all = versions.map(alpnOf).join(" or ");
    connection.end(new Fault("kx.connect", `the other end does not speak ${all}`));
  }

  /** @throws Fault `kx.peer` */
  #hello({ peer: { peerNames }, keep }: TlsClient, connection: KxConnection, hello: Hello): void {
    const link = this.#options.links().find(({ peer }) => peer === hello.from);
    // Whether there is such a link is not told to a stranger.
    if (link === undefined || !hasName(peerNames, link.peerName)) {
      const why = "no link to a KM of this name with this certificate";
      throw new Fault("kx.peer", why);
    }
    if (!keep()) throw new Fault("kx.closed", "too many connections of one KM");
    link.accept(connection, hello);
    this.#strangers.delete(connection);
  }

  #count(code: FaultCode): void {
    this.#faults.set(code, (this.#faults.get(code) ?? 0) + 1);
  }
}
