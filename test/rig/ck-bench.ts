/** A key manager's and a controller's end of Ck over real TLS on this machine, and strangers who try to be one. */
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { silentLog } from "../../src/base/log.ts";
import { GrpcConnection, type GrpcMethod } from "../../src/host/grpc/server.ts";
import { GrpcError, grpcStatus } from "../../src/host/grpc/status.ts";
import { type TlsClient, TlsListener } from "../../src/host/listen/tls-listener.ts";
import { SocketLine } from "../../src/host/net/socket-line.ts";
import type { CkIdentity } from "../../src/km/io/ck-dial.ts";
import { CkLink, type CkLinkOptions } from "../../src/km/io/ck-link.ts";
import { AttachedKms } from "../../src/wire/ck/attached.ts";
import { CkGrpcLine } from "../../src/wire/ck/grpc-line.ts";
import { markExtensions } from "../../src/wire/ck/marks.ts";
import type { CkMessage, CkMessageOf } from "../../src/wire/ck/messages.ts";
import { alpn, grpcAlpn, limits, success } from "../../src/wire/ck/names.ts";
import { served, streamPath } from "../../src/wire/ck/rpc.ts";
import { type CkAsked, CkSession } from "../../src/wire/ck/session.ts";
import { CkTcpLine } from "../../src/wire/ck/tcp-line.ts";
import { type Authority, createAuthority } from "../emulator/certificates.ts";

const limitsOfCalls = { message: limits.bytes + 64, waiting: 1_048_576, stalledMs: 10_000 };

/** What came of a KM's connections. */
export class KmEnd {
  readonly sessions: CkSession[] = [];
  readonly asked: CkAsked[] = [];
  readonly ends: Fault[] = [];

  get session(): CkSession {
    const session = this.sessions.at(-1);
    if (session === undefined) throw new Error("no session");
    return session;
  }

  get handlers(): CkLinkOptions["handlers"] {
    return {
      onSession: (session) => this.sessions.push(session),
      onCommand: (asked) => this.asked.push(asked),
      onEnd: (why) => this.ends.push(why),
    };
  }
}

/** A controller that does as a test says, at one port for both bindings. */
export class TestController {
  readonly kms = new AttachedKms();
  readonly sessions: CkSession[] = [];
  readonly ends: Fault[] = [];
  readonly reports: CkMessage[] = [];
  readonly asked: CkAsked[] = [];
  /** What came by RPCs of their own. */
  readonly unary: CkMessage[] = [];
  /** What is answered to these; undefined: an RPC that is not there. */
  answer: (message: CkMessage) => Promise<CkMessage> | CkMessage | undefined = () => undefined;
  /** What a KM is answered at once that asks for a next hop; missing: a test answers it. */
  nextHops?: (km: string, asked: CkMessageOf<"nextHopRequest">) => readonly string[];
  /** It answers no Report. */
  isSilent = false;
  /** What is answered to a Report. */
  response: string = success;
  /** It says that another one leads. */
  standby = false;
  readonly listener: TlsListener;
  readonly #clock: Clock;
  readonly #connections = new Set<GrpcConnection>();

  constructor(tls: CkIdentity, clock: Clock) {
    this.#clock = clock;
    this.listener = new TlsListener({
      code: "ck.connect",
      name: "Ck",
      peers: "KMs",
      host: "127.0.0.1",
      port: 0,
      tls,
      protocols: [alpn, grpcAlpn],
      handshakeMs: 5_000,
      places: {
        strangers: 32,
        strangersOfOne: 32,
        kept: 64,
        keptOfOne: 16,
        rate: { burst: 1_000, refillMs: 1 },
      },
      clock,
      log: silentLog,
      onClient: (client) => this.#client(client),
    });
  }

  async close(): Promise<void> {
    for (const session of this.sessions) session.end(new Fault("stopped", "a test is over"));
    for (const connection of this.#connections) connection.cut("a test is over");
    await this.listener.close();
  }

  #client(client: TlsClient): void {
    if (!client.keep()) return;
    if (client.protocol === grpcAlpn) return this.#grpc(client);
    const clock = this.#clock;
    const carrier: CkTcpLine = new CkTcpLine({
      write: (bytes) => line.write(bytes),
      close: () => line.close(),
      now: () => clock.now(),
    });
    const session = this.#session(carrier, client.protocol === alpn, client);
    const line = new SocketLine({
      socket: client.socket,
      clock,
      waiting: limitsOfCalls.waiting,
      stalledMs: limitsOfCalls.stalledMs,
      onData: (chunk) => carrier.push(chunk, session),
      onEnd: (why) => session.end(new Fault("ck.closed", why)),
    });
  }

  #grpc(client: TlsClient): void {
    const connection: GrpcConnection = new GrpcConnection({
      socket: client.socket,
      method: (path) => this.#method(path, client),
      limits: limitsOfCalls,
      mostCalls: 32,
      messageMs: 5_000,
      quietMs: 10_000,
      clock: this.#clock,
      onEnd: () => this.#connections.delete(connection),
    });
    this.#connections.add(connection);
  }

  #method(path: string, client: TlsClient): GrpcMethod | undefined {
    if (path === streamPath) return this.#stream(client);
    const serve = served("controller", path, async (message) => {
      this.unary.push(message);
      return this.answer(message);
    });
    if (serve === undefined) return undefined;
    return { kind: "unary", serve: (bytes) => readable(serve(bytes)) };
  }

  #stream(client: TlsClient): GrpcMethod {
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
        const session = this.#session(carrier, true, client);
        return {
          onMessage: (bytes) => carrier.push(bytes, session),
          onHalfEnd: () => session.end(new Fault("ck.closed", "the KM ended the stream")),
          onEnd: (why) => session.end(new Fault("ck.closed", why?.message ?? "ended")),
        };
      },
    };
  }

  #session(carrier: CkTcpLine | CkGrpcLine, ours: boolean, { peer }: TlsClient): CkSession {
    const [km = "?"] = peer.peerNames;
    const session: CkSession = new CkSession({
      side: "controller",
      carrier,
      clock: this.#clock,
      ours,
      handlers: {
        onCommand: (asked) => {
          const { message } = asked;
          if (message.type === "nextHopRequest" && this.nextHops !== undefined) {
            const nextKmas = this.nextHops(km, message);
            return void asked.reply({ type: "nextHopResponse", nextKmas }).catch(() => {});
          }
          if (message.type !== "report") return void this.asked.push(asked);
          this.reports.push(message);
          const { response } = this;
          if (this.isSilent) return;
          const extension = markExtensions(this.standby ? { standby: true } : {});
          const answer = { response, ...(extension.length > 0 && { extension }) };
          asked.reply({ type: "reportResponse", ...answer }).catch(() => {});
        },
        onEnd: (why) => {
          this.kms.detach(km, session);
          this.ends.push(why);
        },
      },
    });
    this.sessions.push(session);
    this.kms.attach(km, session);
    return session;
  }
}

async function readable<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw new GrpcError(grpcStatus.invalidArgument, error.message);
  }
}

export interface CkBench {
  readonly ca: Authority;
  readonly controller: TestController;
  readonly port: number;
  readonly tls: CkIdentity;
  identity(name: string, ca?: Authority): Promise<CkIdentity>;
  /** A KM, not started. */
  km(options?: Partial<CkLinkOptions>): { readonly end: KmEnd; readonly link: CkLink };
  /** A connection that a test writes on; closed or handshake complete when it resolves. */
  open(options?: ConnectionOptions): Promise<TLSSocket>;
}

export async function withCk(
  body: (bench: CkBench) => Promise<void>,
  clock: Clock = systemClock,
): Promise<void> {
  const ca = await createAuthority("QKDN CA");
  const identity = async (name: string, by = ca): Promise<CkIdentity> => {
    return { ...(await by.issue({ commonName: name, dns: [name], usage: "both" })), ca: ca.cert };
  };
  const tls = await identity("km-a.example");
  const controller = new TestController(await identity("controller.example"), clock);
  const port = await controller.listener.listen();
  const links: CkLink[] = [];
  const sockets: TLSSocket[] = [];
  try {
    await body({
      ca,
      controller,
      port,
      tls,
      identity,
      km(options = {}) {
        const end = new KmEnd();
        const link = new CkLink({
          name: "controller",
          host: "127.0.0.1",
          port,
          serverName: "controller.example",
          binding: "tcp",
          tls: () => tls,
          report: (whole) => ({
            type: "report",
            sourceKm: "km-a",
            at: clock.wall(),
            ...(whole && { whole }),
          }),
          handlers: end.handlers,
          log: silentLog,
          clock,
          random: () => 0.5,
          ...options,
        });
        links.push(link);
        return { end, link };
      },
      async open(options = {}) {
        const socket = connect({
          host: "127.0.0.1",
          port,
          ...tls,
          servername: "controller.example",
          ...options,
        });
        sockets.push(socket);
        socket.on("error", () => {});
        await new Promise<void>((resolve) => {
          socket.once("secureConnect", resolve);
          socket.once("close", () => resolve());
        });
        return socket;
      },
    });
  } finally {
    for (const socket of sockets) socket.destroy();
    await Promise.all(links.map((link) => link.stop()));
    await controller.close();
  }
}
