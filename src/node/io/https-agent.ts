/** Connections of HTTPS to a KM: each opened with the certificates of the moment, and kept track of. */
import { Agent } from "node:https";
import { connect, type TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { names } from "../../host/net/lookup.ts";
import { clientTls } from "../../host/tls/options.ts";
import { peerOf } from "../../host/tls/peer.ts";
import { type KmEndpoint, stillGood, type TlsIdentity } from "./connect.ts";

export type SecureEndpoint = KmEndpoint & { readonly tls: TlsIdentity };

export class KmAgent extends Agent {
  /** What the next connection is opened with. */
  endpoint: SecureEndpoint;
  readonly #clock: Clock;
  readonly #open = new Set<TLSSocket>();

  constructor(endpoint: SecureEndpoint, clock: Clock) {
    // How many there are at once is the caller's: a request that waited in here would outlive it.
    super({ keepAlive: true });
    this.endpoint = endpoint;
    this.#clock = clock;
  }

  /** Connections that are open, those in use and those that wait. */
  get connections(): ReadonlySet<TLSSocket> {
    return this.#open;
  }

  override createConnection(): TLSSocket {
    const { endpoint } = this;
    const { host, port, tls, serverName } = endpoint;
    // No session of before is given: it would be resumed without a look at the certificate.
    const socket = connect({
      // The session began at this address: it needs no look-up, and no choice between several.
      host: names.lastGood(host, port),
      port,
      ...clientTls(tls, serverName, () => this.#clock.wall()),
    });
    this.#open.add(socket);
    socket.once("close", () => this.#open.delete(socket));
    socket.once("secureConnect", () => {
      // The certificates were exchanged while it was being made.
      if (endpoint === this.endpoint) return;
      const refused = stillGood(peerOf(socket), this.endpoint, this.#clock);
      if (refused !== undefined) socket.destroy(refused);
    });
    return socket;
  }
}
