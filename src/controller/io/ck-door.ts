/**
 * Where key managers connect to the controller: one port, TLS with certificates of both, and both bindings of Ck. A
 * connection becomes a session of the KM that its certificate names; who is not registered is told nothing.
 */
import { type Clock, systemClock } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { ReadingPaces } from "../../host/door/reading-pace.ts";
import { deniedMethod, unaryMethod } from "../../host/grpc/refusals.ts";
import { GrpcConnection, type GrpcMethod } from "../../host/grpc/server.ts";
import { GrpcError, grpcStatus } from "../../host/grpc/status.ts";
import { type ListenerTexts, type TlsClient, TlsListener } from "../../host/listen/tls-listener.ts";
import { SocketLine } from "../../host/net/socket-line.ts";
import { AttachedKms } from "../../wire/ck/attached.ts";
import { CkGrpcLine } from "../../wire/ck/grpc-line.ts";
import type { CkMessage } from "../../wire/ck/messages.ts";
import { alpn, grpcAlpn, limits, times } from "../../wire/ck/names.ts";
import { served, streamPath } from "../../wire/ck/rpc.ts";
import { type CkAsked, type CkCarrier, CkSession } from "../../wire/ck/session.ts";
import { CkTcpLine } from "../../wire/ck/tcp-line.ts";

/** What the controller makes of key managers. */
export interface CkHandlers {
  /** A KM is connected; an older connection of it was ended before. */
  attached(km: string): void;
  /** It is not any more. */
  detached(km: string, why: Fault): void;
  command(km: string, asked: CkAsked): void;
  /** It sends more than it may: what it sends is read at its pace. Told once an hour. */
  tooFast(km: string): void;
  /**
   * It asked by an RPC of its own, without a stream (Q.4164 Appendix II).
   * @returns undefined: there is nothing to answer @throws Fault
   */
  call(km: string, message: CkMessage): Promise<CkMessage | undefined>;
}

export interface CkDoorOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ListenerTexts;
  /**
   * Which KM has one of these names in its certificate.
   * @returns its KM ID; undefined: it is not registered, or was withdrawn
   */
  readonly kmOf: (names: readonly string[]) => string | undefined;
  readonly handlers: CkHandlers;
  readonly log: Log;
  /** Default: the machine's. */
  readonly clock?: Clock;
}

/** Of 1,000 KMs: all of them come at once after a start, and a new connection takes the place of an old one. */
const places = {
  strangers: 256,
  strangersOfOne: 256,
  kept: 2_048,
  // Those that it may have, and as many that are being closed.
  keptOfOne: 8,
  rate: { burst: 2_048, refillMs: 10 },
} as const;
const bounds = { message: limits.bytes + 64, waiting: 1_048_576, stalledMs: times.stalled };
/** A KM of ours sends 140 KB a second at the most, when all that it tells is other than before. */
const reading = { burst: 4_194_304, perSecond: 163_840, together: 8 } as const;
const handshakeMs = 10_000;
/** Connections of one KM: over gRPC one for the stream, and others for single calls. */
const mostOfOne = 4;
/** Calls of one connection at once: the stream, and what third parties ask. */
const mostCalls = 32;
/** A client over gRPC of which nothing was heard for so long is asked, ms. */
const quietMs = 10_000;

/** A connection before it is known whose it is, and after. */
interface Open {
  readonly client: TlsClient;
  /** undefined: not registered. */
  readonly km: string | undefined;
  /** Ends it in a word or two. */
  readonly end: (why: string) => void;
  /** What it carried last; undefined: calls alone, or nothing yet. */
  session?: CkSession;
}

export class CkDoor {
  readonly #options: CkDoorOptions;
  readonly #clock: Clock;
  readonly #limit: LogLimit;
  readonly #listener: TlsListener;
  readonly #attached = new AttachedKms();
  readonly #open = new Set<Open>();
  readonly #paces: ReadingPaces;

  /** @throws Fault `ck.connect` if the certificates are no good */
  constructor(options: CkDoorOptions) {
    this.#options = options;
    const { host, port, tls, log, clock = systemClock } = options;
    this.#clock = clock;
    this.#limit = LogLimit.of(log, clock);
    this.#paces = new ReadingPaces(reading, clock, (name) => this.#tooFast(name));
    this.#listener = new TlsListener({
      code: "ck.connect",
      name: "Ck",
      peers: "key managers",
      host,
      port,
      tls,
      protocols: [alpn, grpcAlpn],
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

  /** KMs that are connected. */
  get size(): number {
    return this.#attached.size;
  }

  /** The connection of a KM; undefined if it has none. */
  of(km: string): CkSession | undefined {
    return this.#attached.of(km);
  }

  /** New connections use these; those that are open are checked by them. @throws Fault `ck.connect` */
  renew(tls: ListenerTexts): void {
    this.#listener.renew(tls);
  }

  /** Checks the connections that are open again: certificates and lists run out, and KMs are withdrawn. */
  recheck(): void {
    this.#listener.recheck();
    for (const one of this.#open) {
      if (this.#options.kmOf(one.client.peer.peerNames) === undefined) one.end("withdrawn");
    }
  }

  /** Ends all connections; key managers come back. */
  cutAll(why: string): void {
    for (const one of this.#open) one.end(why);
  }

  /** Ends all connections, each told; no more are taken. */
  async close(): Promise<void> {
    this.cutAll("the controller is being stopped");
    await this.#listener.close();
  }

  /** @param km empty: those that are not registered, together */
  #tooFast(km: string): void {
    const facts = { km, limit: reading.burst, bytes_per_s: reading.perSecond };
    this.#options.log.warn("what is sent over Ck is read more slowly than it comes", facts);
    if (km !== "") this.#options.handlers.tooFast(km);
  }

  #client(client: TlsClient): void {
    const { peer, source, protocol, keep } = client;
    const km = this.#options.kmOf(peer.peerNames);
    if (km === undefined) {
      const facts = { fingerprint: peer.fingerprint256 };
      this.#limit.warn(source, "not a key manager of this controller", facts);
    }
    // Who is none is refused at each call, and has a stranger's place.
    else {
      this.#makeRoom(km);
      if (!keep()) return;
    }
    if (protocol === grpcAlpn) return this.#grpc(client, km);
    if (km === undefined) return void client.socket.destroy();
    this.#tcp(client, km);
  }

  /** The newest connection of a KM counts: an older one that does not carry its session goes first. */
  #makeRoom(km: string): void {
    const own = [...this.#open].filter((one) => one.km === km);
    if (own.length < mostOfOne) return;
    const session = this.#attached.of(km);
    const oldest = own.find((one) => session === undefined || one.session !== session) ?? own[0];
    oldest?.end("a newer connection of the KM took its place");
  }

  #tcp(client: TlsClient, km: string): void {
    const clock = this.#clock;
    const carrier: CkTcpLine = new CkTcpLine({
      write: (bytes) => line.write(bytes),
      close: () => line.close(),
      now: () => clock.now(),
    });
    const open: Open = { client, km, end: (why) => session.end(closed(why)) };
    const onEnd = () => this.#open.delete(open);
    const session = this.#session(km, carrier, client.protocol === alpn, onEnd);
    const line = new SocketLine({
      socket: client.socket,
      clock,
      waiting: bounds.waiting,
      stalledMs: bounds.stalledMs,
      pace: this.#paces.of(km),
      onData: (chunk) => carrier.push(chunk, session),
      onEnd: (why) => session.end(closed(why)),
    });
    open.session = session;
    this.#open.add(open);
    this.#attach(km, session);
  }

  #grpc(client: TlsClient, km: string | undefined): void {
    const connection: GrpcConnection = new GrpcConnection({
      socket: client.socket,
      method: (path) => this.#method(path, km, open),
      limits: { ...bounds, pace: this.#paces.of(km ?? "") },
      mostCalls,
      messageMs: times.message,
      quietMs,
      clock: this.#clock,
      onEnd: () => this.#open.delete(open),
    });
    const open: Open = { client, km, end: (why) => connection.cut(why) };
    this.#open.add(open);
  }

  #method(path: string, km: string | undefined, open: Open): GrpcMethod | undefined {
    const { handlers } = this.#options;
    if (path === streamPath && km !== undefined) return this.#stream(km, open);
    const serve = served("controller", path, (message) => handlers.call(km ?? "", message));
    if (serve === undefined && path !== streamPath) return undefined;
    if (km === undefined || serve === undefined) {
      return deniedMethod("not a key manager of this controller");
    }
    return unaryMethod(serve, {
      theirs: "ck.message",
      onRefused: (fault) => {
        this.#limit.warn(open.client.source, "call over Ck refused", {
          km,
          cause: describe(fault),
        });
      },
    });
  }

  #stream(km: string, connection: Open): GrpcMethod {
    return {
      kind: "stream",
      open: (call) => {
        const carrier = new CkGrpcLine({
          write: (bytes) => call.send(bytes),
          close: ({ code, message }) => {
            const isInOrder = code === "stopped" || code === "ck.closed";
            const status = isInOrder ? grpcStatus.unavailable : grpcStatus.invalidArgument;
            call.finish(new GrpcError(status, message));
          },
          since: () => call.since,
        });
        const session = this.#session(km, carrier, true, () => {});
        connection.session = session;
        this.#attach(km, session);
        return {
          onMessage: (bytes) => carrier.push(bytes, session),
          onHalfEnd: () => session.end(closed("closed")),
          onEnd: (why) => session.end(closed(why?.message ?? "closed")),
        };
      },
    };
  }

  #session(km: string, carrier: CkCarrier, ours: boolean, onOver: () => void): CkSession {
    const { handlers } = this.#options;
    const session: CkSession = new CkSession({
      side: "controller",
      carrier,
      clock: this.#clock,
      ours,
      handlers: {
        onCommand: (asked) => handlers.command(km, asked),
        onEnd: (why) => {
          onOver();
          if (this.#attached.of(km) !== session) return;
          this.#attached.detach(km, session);
          handlers.detached(km, why);
        },
      },
    });
    return session;
  }

  /** An older connection of this KM ends, and its end is not the KM's. */
  #attach(km: string, session: CkSession): void {
    this.#attached.attach(km, session);
    this.#options.handlers.attached(km);
  }
}

function closed(why: string): Fault {
  return why === "stalled"
    ? new Fault("ck.timeout", "the KM reads nothing", { limit_ms: bounds.stalledMs })
    : new Fault("ck.closed", "the connection of the KM is over", { why });
}
