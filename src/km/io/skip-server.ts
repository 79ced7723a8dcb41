/**
 * Where encryptors ask for keys by SKIP (draft-cisco-skip): HTTPS with a pre-shared key instead of certificates. Keys
 * are the same as over ETSI GS QKD 014: the same pairs, limits, and each of them once at each end.
 */
import { open } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Pace } from "../../host/door/pace.ts";
import { sourceOf } from "../../host/door/source.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { OrderlyClose } from "../../host/http/orderly-close.ts";
import { answerExpectations, answering, httpProtocols } from "../../host/http/server.ts";
import { originForm } from "../../host/http/target.ts";
import { pskServerTls } from "../../host/tls/options.ts";
import { wipeMemory } from "../../port/key.ts";
import type { KeyRequest } from "../../wire/etsi014/key-request.ts";
import { EtsiRefusal } from "../../wire/etsi014/refusal.ts";
import { writeCapabilities, writeEntropy, writeKey } from "../../wire/skip/answer.ts";
import { SkipRefusal, unknownKey, unknownSystem } from "../../wire/skip/refusal.ts";
import { skipRequest } from "../../wire/skip/request.ts";
import type { ApplicationKeys, Granted } from "../applications/keys.ts";
import { lateAnswer } from "../applications/shortages.ts";
import { partnerOf, partnersOf, systemIdOf } from "../applications/systems.ts";
import type { Application, ApplicationTable } from "../applications/table.ts";
import type { KeyStore } from "../store/port.ts";
import { readGranted } from "../supply/granted.ts";
import { answerInTime } from "./in-time.ts";
import { lastAnswers } from "./last-answers.ts";
import type { SkipClients } from "./skip-clients.ts";
import { type DoorTimes, standardTimes, TlsDoor } from "./tls-door.ts";

export interface SkipServerOptions {
  readonly host: string;
  readonly port: number;
  readonly clients: SkipClients;
  readonly keys: Pick<ApplicationKeys, "give" | "take" | "limits" | "withinMs">;
  readonly table: () => ApplicationTable;
  readonly store: Pick<KeyStore, "read" | "forget">;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<DoorTimes>;
  readonly log: Log;
}

/** A client whose handshake is complete. */
interface Caller {
  readonly identity: string;
  readonly psk: Uint8Array;
  readonly source: string;
}

/** Requests of one client that yield no key, before each waits. */
const pace = { burst: 64, refillMs: 100 } as const;
/** Connections of encryptors: of all, and of one identity. */
const places = { kept: 1_024, keptOfOne: 64 };
const headers = { "content-type": "application/json", "cache-control": "no-store" };

export class SkipServer {
  readonly #options: SkipServerOptions;
  readonly #door: TlsDoor;
  readonly #server: Server;
  readonly #end: OrderlyClose;
  readonly #turns = new Turns();
  readonly #pace: Pace;
  readonly #limit: LogLimit;
  /** What was said in a handshake that is under way. */
  readonly #said = new WeakMap<Socket, { identity: string; psk: Uint8Array }>();
  readonly #callers = new Map<Socket, Caller>();

  constructor(options: SkipServerOptions) {
    this.#options = options;
    const { clients, log, clock = systemClock } = options;
    const times = { ...standardTimes, ...options.times };
    this.#pace = new Pace(pace, clock);
    this.#limit = LogLimit.of(log, clock);
    this.#door = new TlsDoor(undefined, clock, log, places);
    const pskOf = (socket: TLSSocket, identity: string) => {
      const psk = clients.pskOf(identity);
      if (psk !== null) this.#said.set(socket, { identity, psk });
      return psk;
    };
    this.#server = createServer(
      {
        ...pskServerTls(pskOf),
        ALPNProtocols: [...httpProtocols],
        handshakeTimeout: times.handshake,
        headersTimeout: times.message,
        requestTimeout: times.message,
        connectionsCheckingInterval: Math.min(1_000, times.message / 4),
        keepAliveTimeout: times.idle,
        keepAliveTimeoutBuffer: 0,
        maxHeaderSize: 8_192,
      },
      answering((request, response) => this.#serve(request, response)),
    );
    answerExpectations(this.#server);
    this.#end = new OrderlyClose(this.#server, clock);
    this.#server.maxConnections = this.#door.most;
    this.#server.timeout = times.idle;
    this.#server.on("connection", (socket: Socket) => this.#door.enter(socket));
    // Before HTTP has the connection: a request that came with the handshake is not heard then.
    this.#server.prependListener("secureConnection", (socket) => this.#admit(socket));
    this.#server.on("tlsClientError", (error, socket) => this.#refusedHandshake(error, socket));
    this.#server.on("error", (error: NodeJS.ErrnoException) => {
      log.warn("key delivery", { cause: error.code ?? "other" });
    });
  }

  /** @returns the port @throws Fault `web.listen` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const facts = { host, port, code: error.code ?? "unknown" };
        reject(new Fault("web.listen", "key delivery by SKIP cannot listen", facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
  }

  /** Cuts off clients whose key is another now, or that may not ask any more. */
  recheck(): void {
    for (const [socket, caller] of this.#callers) {
      if (!this.#isGood(caller)) socket.destroy();
    }
  }

  /** A key that was taken is with who asked for it, before the door closes. */
  close(): Promise<void> {
    return lastAnswers(this.#end, this.#options.log);
  }

  #isGood({ identity, psk }: Caller): boolean {
    return this.#options.clients.pskOf(identity) === psk;
  }

  #admit(socket: TLSSocket): void {
    const said = this.#said.get(socket);
    const source = sourceOf(socket.remoteAddress);
    // A handshake without the pre-shared key is not possible: no suite is for it.
    if (said === undefined || !this.#options.clients.knows(said.identity)) {
      return void socket.destroy();
    }
    if (!this.#door.keep(socket, said.identity, source)) return;
    this.#callers.set(socket, { ...said, source });
    socket.once("close", () => this.#callers.delete(socket));
  }

  #refusedHandshake(error: Error, socket: Socket): void {
    const said = this.#said.get(socket);
    if (said === undefined) return this.#door.refused(error, socket);
    const cause = this.#options.clients.knows(said.identity) ? "wrong key" : "unknown identity";
    this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const caller = this.#callers.get(socket);
    if (caller === undefined) return void socket.destroy();
    if (!(await this.#turns.take(socket, response))) return;
    if (!(await this.#pace.passes(caller.identity, response))) return;
    // Nothing of a body is read: a request that has one is answered, and its connection ended.
    if (Number(request.headers["content-length"] ?? 0) > 0 || request.headers["transfer-encoding"])
      response.setHeader("connection", "close");
    const application = this.#isGood(caller)
      ? this.#options.clients.application(caller.identity)
      : undefined;
    if (application === undefined) return void socket.destroy();
    try {
      await this.#act(request, response, caller, application);
    } catch (error) {
      this.#failed(response, caller, error, unknownSystem());
    }
  }

  async #act(
    request: IncomingMessage,
    response: ServerResponse,
    caller: Caller,
    application: Application,
  ): Promise<void> {
    const { keys, table, clock = systemClock } = this.#options;
    const { method = "", url = "" } = request;
    const wanted = skipRequest(method, originForm(url), keys.limits);
    if (wanted.kind === "capabilities") {
      this.#pace.charge(caller.identity);
      const remotes = partnersOf(application, table()).map(systemIdOf);
      return send(response, 200, writeCapabilities(systemIdOf(application), remotes));
    }
    if (wanted.kind === "entropy") {
      this.#pace.charge(caller.identity);
      const bytes = await entropy(wanted.bits / 8);
      const body = writeEntropy(bytes);
      wipeMemory(bytes);
      return sendSecret(response, body);
    }
    const partner = partnerOf(application, wanted.remote, table());
    if (partner === undefined) throw unknownSystem();
    const done = (result: Granted | EtsiRefusal) => this.#answer(response, caller, result);
    const isWanted = () => !isGone(response);
    answerInTime(clock, response, keys.withinMs(false), () => {
      this.#failed(response, caller, lateAnswer(), unknownKey());
    });
    if (wanted.kind === "key") {
      return keys.take(application, partner.id, [wanted.id], done, isWanted);
    }
    const size: KeyRequest = {
      number: 1,
      size: wanted.bits,
      additional: [],
      level: "any",
      wish: "any",
      unhandled: false,
    };
    keys.give(application, partner.id, size, done, isWanted);
  }

  /** The key is the caller's, durably: read, written into the answer, and not needed any more. */
  #answer(response: ServerResponse, caller: Caller, result: Granted | EtsiRefusal): void {
    // That a key is not here, that it is of others: which of these is not told.
    if (result instanceof EtsiRefusal) return this.#failed(response, caller, result, unknownKey());
    const { store, log } = this.#options;
    const { uses } = result;
    readGranted(store, result, (bytes) => {
      const [use] = uses;
      if (bytes === undefined || use === undefined) {
        log.error("keys are damaged: lost", { keys: uses.length });
        const lost = new SkipRefusal(503, "the key is lost", 0);
        return this.#failed(response, caller, lost, lost);
      }
      const body = writeKey(use.id, bytes);
      wipeMemory(bytes);
      sendSecret(response, body);
    });
  }

  /** @param unknown said for what ETSI GS QKD 014 says of IDs that may not be used */
  #failed(
    response: ServerResponse,
    { identity, source }: Caller,
    error: unknown,
    unknown: SkipRefusal,
  ): void {
    const refusal = refusalOf(error, unknown);
    const { status, message, retryAfter } = refusal;
    if (status === 500) {
      const cause = error instanceof Fault ? error.code : "defect";
      this.#options.log.error("key delivery failed", { cause });
    }
    // When keys are short the caller did nothing wrong.
    if (status !== 503) {
      this.#pace.charge(identity);
      this.#limit.warn(source, "request refused", { status, cause: message });
    }
    send(response, status, refusal.body(), {
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      ...(status === 405 && { allow: "GET" }),
    });
  }
}

/** What SKIP says for what ETSI GS QKD 014 says. */
function refusalOf(error: unknown, unknown: SkipRefusal): SkipRefusal {
  if (error instanceof SkipRefusal) return error;
  if (error instanceof EtsiRefusal) {
    const { status, message, retryAfter } = error;
    if (status === 503 || status === 429) return new SkipRefusal(503, message, retryAfter);
    if (status === 400 || status === 401) return unknown;
  }
  return new SkipRefusal(500, "internal error");
}

/** Of the kernel's generator. @throws SkipRefusal 503 */
async function entropy(length: number): Promise<Buffer> {
  try {
    await using file = await open("/dev/urandom", "r");
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, null);
    if (bytesRead === length) return buffer;
  } catch {
    // A system without it.
  }
  throw new SkipRefusal(503, "there is no entropy");
}

function send(
  response: ServerResponse,
  status: number,
  body: Buffer,
  more: Readonly<Record<string, string>> = {},
): void {
  if (isGone(response)) return;
  response.writeHead(status, { ...headers, ...more, "content-length": body.length });
  response.end(body);
}

/** @param body wiped once it is sent */
function sendSecret(response: ServerResponse, body: Buffer): void {
  response.once("close", () => wipeMemory(body));
  send(response, 200, body);
  if (isGone(response)) wipeMemory(body);
}
