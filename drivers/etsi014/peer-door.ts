/** Where the follower hears its leader: TLS 1.3 with certificates of both, and a key exchange for later, too. */
import type { TLSSocket } from "node:tls";
import type { Timer } from "../../src/base/clock.ts";
import type { Log } from "../../src/base/log.ts";
import { LogLimit } from "../../src/base/log-limit.ts";
import { renewing, type TlsClient, TlsListener } from "../../src/host/listen/tls-listener.ts";
import { KeptCredentials } from "../../src/host/tls/credentials.ts";
import { hasName } from "../../src/host/tls/names.ts";
import type { PeerOptions } from "./peer-line.ts";

const places = {
  strangers: 8,
  strangersOfOne: 4,
  kept: 2,
  keptOfOne: 2,
  rate: { burst: 32, refillMs: 500 },
} as const;
const handshakeMs = 10_000;

export class PeerDoor {
  readonly #name: string;
  readonly #onPeer: (socket: TLSSocket) => void;
  readonly #listener: TlsListener;
  readonly #limit: LogLimit;
  readonly #renewing: Timer;
  /** Told of one with a certificate that is trusted, and another name in it. */
  onOther: (names: readonly string[]) => void = () => {};

  /** @param onPeer owns the connection @throws Fault `peer.connect` if the certificates are no good */
  constructor(options: PeerOptions, log: Log, onPeer: (socket: TLSSocket) => void) {
    const { host, port, name, files, clock } = options;
    this.#name = name;
    this.#onPeer = onPeer;
    this.#limit = LogLimit.of(log, clock);
    const credentials = new KeptCredentials(files, "peer.connect");
    const requirePq = true;
    this.#listener = new TlsListener({
      code: "peer.connect",
      name: "drivers' connection",
      peers: "the other end's driver",
      host,
      port,
      tls: { ...credentials.read(), requirePq },
      protocols: [],
      handshakeMs,
      places,
      clock,
      log,
      onClient: (client) => this.#admit(client),
    });
    this.#renewing = renewing(this.#listener, credentials, { requirePq, clock, log });
  }

  /** @throws Fault `peer.connect` */
  async listen(): Promise<void> {
    await this.#listener.listen();
  }

  /** @returns when connections are over, which are their owner's to end */
  close(): Promise<void> {
    this.#renewing.cancel();
    return this.#listener.close();
  }

  #admit({ socket, peer, source, keep }: TlsClient): void {
    if (!hasName(peer.peerNames, this.#name)) {
      this.#limit.warn(source, "another than the leader", { wanted: this.#name });
      this.onOther(peer.peerNames);
      return void socket.destroy();
    }
    if (keep()) this.#onPeer(socket);
  }
}
