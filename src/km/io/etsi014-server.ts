/**
 * Keys for applications over HTTPS: the three methods of ETSI GS QKD 014 (§5). Each caller shows a certificate, and
 * that says which SAE it is; who is none of this KM's is answered 401 to whatever it asks.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import { type Clock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Pace } from "../../host/door/pace.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { serverTls } from "../../host/tls/options.ts";
import { wipeMemory } from "../../port/key.ts";
import { writeKeyContainer } from "../../wire/etsi014/container.ts";
import { idsOfBody, idsOfQuery } from "../../wire/etsi014/key-ids.ts";
import { type KeyRequest, requestOfBody, requestOfQuery } from "../../wire/etsi014/key-request.ts";
import { longestRequest } from "../../wire/etsi014/names.ts";
import { type Method, pathOf } from "../../wire/etsi014/path.ts";
import { EtsiRefusal, unauthorized } from "../../wire/etsi014/refusal.ts";
import type { ApplicationKeys, Granted } from "../applications/keys.ts";
import type { Application, ApplicationTable } from "../applications/table.ts";
import type { KeyStore } from "../store/port.ts";
import { Bodies, type BodyRefusal } from "./http-body.ts";
import {
  type Admitted,
  type DoorTimes,
  type ServerTexts,
  standardTimes,
  TlsDoor,
  unusable,
} from "./tls-door.ts";

export interface Etsi014ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTexts;
  readonly keys: ApplicationKeys;
  readonly table: () => ApplicationTable;
  readonly store: Pick<KeyStore, "read" | "forget" | "use">;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<DoorTimes>;
  readonly log: Log;
}

/** Requests of one address that are none, before each waits. */
const pace = { burst: 64, refillMs: 100 } as const;
/** Many applications may be behind one address, and all come at once after a power cut. */
const places = {
  strangers: 512,
  strangersOfOne: 256,
  rate: { burst: 512, refillMs: 20 },
  kept: 4_096,
  keptOfOne: 1_024,
  commonName: true,
};
const headers = { "content-type": "application/json", "cache-control": "no-store" };

export class Etsi014Server {
  readonly #options: Etsi014ServerOptions;
  readonly #door: TlsDoor;
  readonly #server: Server;
  readonly #bodies = new Bodies();
  readonly #turns = new Turns();
  readonly #pace: Pace;
  readonly #limit: LogLimit;
  readonly #callers = new WeakMap<Socket, Admitted>();
  #refused = 0;

  /** @throws Fault `web.listen` if the certificates are no good */
  constructor(options: Etsi014ServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    const times = { ...standardTimes, ...options.times };
    this.#pace = new Pace(pace, clock);
    this.#limit = LogLimit.of(log, clock);
    try {
      this.#door = new TlsDoor(tls, clock, log, places);
      this.#server = createServer(
        {
          ...serverTls(tls, true),
          handshakeTimeout: times.handshake,
          headersTimeout: times.message,
          requestTimeout: times.message,
          // By default Node.js looks every 30 s, and no limit is less than that.
          connectionsCheckingInterval: Math.min(1_000, times.message / 4),
          keepAliveTimeout: times.idle,
          keepAliveTimeoutBuffer: 0,
          maxHeaderSize: 8_192,
        },
        (request, response) => void this.#serve(request, response).catch(() => response.destroy()),
      );
    } catch (error) {
      throw unusable(error, tls);
    }
    this.#server.maxConnections = this.#door.most;
    this.#server.timeout = times.idle;
    this.#server.on("connection", (socket: Socket) => this.#door.enter(socket));
    // Before HTTP has the connection: a request that came with the handshake is not heard then.
    this.#server.prependListener("secureConnection", (socket) => {
      const admitted = this.#door.admit(socket);
      if (admitted !== undefined) this.#callers.set(socket, admitted);
    });
    this.#server.on("tlsClientError", (error, socket) => this.#door.refused(error, socket));
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      log.warn("key delivery", { cause: error.code ?? "other" });
    });
  }

  /** Requests of certificates that are no SAE's of this KM. */
  get refused(): number {
    return this.#refused;
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#door.keyExchanges;
  }

  /** @returns the port @throws Fault `web.listen` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const facts = { host, port, code: error.code ?? "unknown" };
        reject(new Fault("web.listen", "key delivery cannot listen", facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** As `Kq1Server.renew`. @throws Fault `kq1.connect` */
  renew(tls: ServerTexts): void {
    try {
      this.#door.renew(tls);
      this.#server.setSecureContext(serverTls(tls, true));
    } catch (error) {
      throw unusable(error, tls);
    }
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#door.recheck();
  }

  /** Resolves within a second. What has no answer yet gets none. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const admitted = this.#callers.get(socket);
    if (admitted === undefined) return void socket.destroy();
    if (!(await this.#turns.take(socket, response))) return;
    await this.#pace.hold(admitted.source);
    const caller = this.#options.table().certified(admitted.names ?? []);
    // Whatever it asks: it learns nothing, not even from how long it takes.
    if (caller === undefined) {
      this.#refused++;
      return this.#refuse(response, admitted, unauthorized());
    }
    try {
      const { method, sae, query } = pathOf(request.url ?? "");
      if (request.method === "GET")
        return this.#get(response, admitted, caller, method, sae, query);
      if (request.method !== "POST" || method === "status") {
        throw new EtsiRefusal(405, method === "status" ? "GET only" : "GET or POST only");
      }
      const { "content-encoding": encoding = "identity" } = request.headers;
      if (encoding.toLowerCase() !== "identity") throw new EtsiRefusal(415, "body is compressed");
      const then = (body: Buffer | BodyRefusal) => {
        if (typeof body === "string") return this.#unread(response, admitted, body);
        try {
          this.#post(response, admitted, caller, method, sae, body);
        } catch (error) {
          this.#failed(response, admitted, error);
        } finally {
          this.#bodies.giveBack(body);
        }
      };
      this.#bodies.read(request, then, longestRequest);
    } catch (error) {
      this.#failed(response, admitted, error);
    }
  }

  #get(
    response: ServerResponse,
    admitted: Admitted,
    caller: Application,
    method: Method,
    sae: string,
    query: URLSearchParams,
  ): void {
    const { keys, store } = this.#options;
    if (method === "status") {
      const status = keys.status(caller, sae, store.use().limitBytes);
      return send(response, 200, Buffer.from(JSON.stringify(status)));
    }
    if (method === "dec_keys")
      return this.#take(response, admitted, caller, sae, idsOfQuery(query));
    this.#give(response, admitted, caller, sae, requestOfQuery(query, keys.limits));
  }

  #post(
    response: ServerResponse,
    admitted: Admitted,
    caller: Application,
    method: Method,
    sae: string,
    body: Buffer,
  ): void {
    const { limits } = this.#options.keys;
    if (method === "enc_keys") {
      return this.#give(response, admitted, caller, sae, requestOfBody(body, limits));
    }
    this.#take(response, admitted, caller, sae, idsOfBody(body, limits.number));
  }

  #give(
    response: ServerResponse,
    admitted: Admitted,
    caller: Application,
    slave: string,
    wanted: KeyRequest,
  ): void {
    this.#options.keys.give(caller, slave, wanted, (result) => {
      this.#answer(response, admitted, result, wanted.unhandled);
    });
  }

  #take(
    response: ServerResponse,
    admitted: Admitted,
    caller: Application,
    master: string,
    ids: readonly string[],
  ): void {
    this.#options.keys.take(caller, master, ids, (result) => {
      this.#answer(response, admitted, result, false);
    });
  }

  /** These keys are the caller's, durably: read, written into the answer, and not needed any more. */
  #answer(
    response: ServerResponse,
    admitted: Admitted,
    result: Granted | EtsiRefusal,
    unhandled: boolean,
  ): void {
    if (result instanceof EtsiRefusal) return this.#refuse(response, admitted, result);
    const { store } = this.#options;
    const { link, uses } = result;
    const ranges = uses.flatMap((use) => use.ranges);
    store.read(link, ranges, (bytes) => {
      store.forget(link, ranges);
      if (bytes === undefined) {
        this.#options.log.error("keys are damaged: lost", { keys: uses.length });
        const lost = new EtsiRefusal(503, "the keys were damaged and are lost", [], 0);
        return this.#refuse(response, admitted, lost);
      }
      const ids = uses.map(({ id }) => id);
      const body = writeKeyContainer(ids, bytes, unhandled);
      wipeMemory(bytes);
      response.once("close", () => wipeMemory(body));
      send(response, 200, body);
      if (isGone(response)) wipeMemory(body);
    });
  }

  #unread(response: ServerResponse, admitted: Admitted, why: BodyRefusal): void {
    if (why === "cut") return void response.destroy();
    const refusal =
      why === "busy"
        ? new EtsiRefusal(503, "too much is under way", [], 1)
        : new EtsiRefusal(413, `body over ${longestRequest} bytes`);
    // Of a body that was not read more may come: the connection is of no use.
    response.setHeader("connection", "close");
    this.#refuse(response, admitted, refusal);
  }

  #failed(response: ServerResponse, admitted: Admitted, error: unknown): void {
    if (error instanceof EtsiRefusal) return this.#refuse(response, admitted, error);
    const cause = error instanceof Fault ? error.code : "defect";
    this.#options.log.error("key delivery failed", { cause });
    this.#refuse(response, admitted, new EtsiRefusal(500, "internal error"));
  }

  #refuse(response: ServerResponse, { source }: Admitted, refusal: EtsiRefusal): void {
    const { status, message, retryAfter } = refusal;
    // When keys are short the caller did nothing wrong.
    if (status !== 503 && status !== 429) {
      this.#pace.charge(source);
      this.#limit.warn(source, "request refused", { status, ...(message && { cause: message }) });
    }
    const more = { ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }) };
    send(response, status, refusal.body(), more);
  }
}

function send(
  response: ServerResponse,
  status: number,
  body: Buffer,
  more: Readonly<Record<string, string>> = {},
): void {
  if (isGone(response)) return;
  const type = body.length === 0 ? { "cache-control": "no-store" } : headers;
  response.writeHead(status, { ...type, ...more, "content-length": body.length });
  response.end(body);
}
