/**
 * Where controllers of others ask this KM by RPCs of their own (Q.4164 Appendix II): routes, reservation, allocation,
 * sessions. A controller that keeps the stream has no use for it.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { describe } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { deniedMethod, unaryMethod } from "../../host/grpc/refusals.ts";
import { GrpcConnection, type GrpcMethod } from "../../host/grpc/server.ts";
import { type TlsClient, TlsListener } from "../../host/listen/tls-listener.ts";
import { hasName } from "../../host/tls/names.ts";
import type { CkMessage } from "../../wire/ck/messages.ts";
import { grpcAlpn, limits, times } from "../../wire/ck/names.ts";
import { served } from "../../wire/ck/rpc.ts";
import type { CkIdentity } from "./ck-dial.ts";

export interface CkDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: CkIdentity;
  /** Subject alternative names of controllers: a client that has none of them is let in, and refused each call. */
  readonly controllers: readonly string[];
  /**
   * Answers a command, or refuses it in the answer.
   * @param controller name in its certificate @throws Fault
   */
  readonly answer: (message: CkMessage, controller: string) => Promise<CkMessage>;
  readonly log: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

const places = {
  strangers: 16,
  strangersOfOne: 8,
  kept: 16,
  keptOfOne: 4,
  rate: { burst: 64, refillMs: 100 },
} as const;
/** Of one connection. */
const bounds = {
  limits: { message: limits.bytes, waiting: 1_048_576, stalledMs: times.stalled },
  mostCalls: 32,
  messageMs: times.message,
  quietMs: 10_000,
} as const;
const handshakeMs = 10_000;

export class CkDoor {
  readonly #options: CkDoorOptions;
  readonly #clock: Clock;
  readonly #limit: LogLimit;
  readonly #listener: TlsListener;
  readonly #connections = new Set<GrpcConnection>();

  /** @throws Fault `ck.connect` if the certificates are no good */
  constructor(options: CkDoorOptions) {
    this.#options = options;
    const { host, port, tls, log, clock = systemClock } = options;
    this.#clock = clock;
    this.#limit = LogLimit.of(log, clock);
    this.#listener = new TlsListener({
      code: "ck.connect",
      name: "Ck",
      peers: "controllers",
      host,
      port,
      tls,
      protocols: [grpcAlpn],
      handshakeMs,
      places,
      clock,
      log,
      onClient: (client) => this.#client(client),
    });
  }

  /** @returns the port @throws Fault `ck.connect` */
  listen(): Promise<number> {
    return this.#listener.listen();
  }

  /** New connections use these; those that are open are checked by them. @throws Fault `ck.connect` */
  renew(tls: CkIdentity): void {
    this.#listener.renew(tls);
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#listener.recheck();
  }

  /** Calls that are under way end as they would if the connection broke. */
  async close(): Promise<void> {
    for (const connection of this.#connections) connection.cut("the KM is being stopped");
    await this.#listener.close();
  }

  #client({ socket, peer, protocol, source, keep }: TlsClient): void {
    // A client that names no protocol gets this far.
    if (protocol !== grpcAlpn) return void socket.destroy();
    if (!keep()) return;
    const name = peer.peerNames.find((one) => hasName(this.#options.controllers, one));
    if (name === undefined) this.#limit.warn(source, "no controller of this KM asks over Ck");
    const connection: GrpcConnection = new GrpcConnection({
      ...bounds,
      socket,
      clock: this.#clock,
      method: (path) => this.#method(path, name, source),
      onEnd: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #method(path: string, controller: string | undefined, source: string): GrpcMethod | undefined {
    const { answer } = this.#options;
    const serve = served("km", path, (message) => answer(message, controller ?? ""));
    if (serve === undefined) return undefined;
    if (controller === undefined) return deniedMethod("not a controller of this KM");
    return unaryMethod(serve, {
      theirs: "ck.message",
      onRefused: (fault) => {
        this.#limit.warn(source, "call over Ck refused", { cause: describe(fault) });
      },
    });
  }
}
