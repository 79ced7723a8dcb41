/**
 * Keys upon request over HTTPS (Annex B): Key request in the shape of ETSI GS QKD 014 "Get key", and
 * "Get status", so that a stock 014 client can be the KM. TLS 1.3 with client certificates.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { PeerCertificate, TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Pace } from "../../host/door/pace.ts";
import { Places } from "../../host/door/places.ts";
import { sourceOf } from "../../host/door/source.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { HttpServer, type HttpTimes } from "../../host/http/server.ts";
import { TlsClients } from "../../host/tls/clients.ts";
import { unusableFault } from "../../host/tls/credentials.ts";
import { certifiedNames, hasName, kmIdentity } from "../../host/tls/names.ts";
import { noCommonGroup } from "../../host/tls/options.ts";
import { AnswerRoom } from "../../wire/kq1/answer-room.ts";
import { httpStatus, requestPath } from "../../wire/kq1/names.ts";
import {
  claimantOf,
  keysThatFit,
  responseBound,
  writeKeyResponse,
} from "../../wire/kq1/request.ts";
import type { KeyReply, OnRequestKeys } from "../keys/ports.ts";
import type { TlsIdentity } from "./connect.ts";
import { sendKeys } from "./https-answer.ts";
import { decode, Refusal, readRequest, target } from "./https-request.ts";

/** Where one module's keys are asked for. */
export interface KeyAccess {
  readonly desk: OnRequestKeys;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** A client's certificate must carry one of these names as a subject alternative name. */
  readonly kmNames: readonly string[];
}

export interface KeyServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: TlsIdentity;
  /** A client whose certificate has no subject alternative name may go by its CN. */
  readonly allowCommonName?: boolean;
  /** The modules of which keys may be asked for, as they are now. */
  readonly modules: () => readonly KeyAccess[];
  readonly nodeId: string;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<KeyServerTimes>;
  readonly log: Log;
}

/** Bytes of keys in one response: memory for one request, not a limit of HTTP. */
const maxResponse = 4_194_304;
/** Bytes of answers in memory, over all connections and of one KM: see `AnswerRoom`. */
const roomForAnswers = 16_777_216;
const roomOfOne = maxResponse;

/** Times after which a connection is ended, ms. */
export interface KeyServerTimes extends HttpTimes {
  /** An answer with keys was taken as a whole. */
  readonly answer: number;
}

const standardTimes: KeyServerTimes = {
  handshake: 10_000,
  request: 10_000,
  idle: 60_000,
  stalled: 60_000,
  answer: 60_000,
};

/** Connections: of clients in their handshake, and of KMs. */
const places = {
  strangers: 32,
  strangersOfOne: 16,
  kept: 256,
  keptOfOne: 64,
  rate: { burst: 128, refillMs: 100 },
} as const;
/** Refusals, statuses and repeats of one KM, before each waits. */
const pace = { burst: 128, refillMs: 50 } as const;

export class KeyServer {
  readonly #options: KeyServerOptions;
  readonly #times: KeyServerTimes;
  readonly #clock: Clock;
  readonly #http: HttpServer;
  /** Responses with keys that have not left yet. */
  readonly #writing = new Set<ServerResponse>();
  readonly #turns = new Turns();
  readonly #room = new AnswerRoom(roomForAnswers, roomOfOne);
  readonly #places: Places;
  readonly #pace: Pace;
  readonly #limit: LogLimit;
  readonly #clients: TlsClients;
  /** Certificates of clients that are connected: to have one told takes as long as a short answer. */
  readonly #certificates = new WeakMap<Socket, PeerCertificate>();

  /** @throws Fault `kq1.connect` if the certificates are no good */
  constructor(options: KeyServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    const times = { ...standardTimes, ...options.times };
    this.#times = times;
    this.#clock = clock;
    this.#places = new Places({ ...places, clock });
    this.#pace = new Pace(pace, clock);
    this.#limit = LogLimit.of(log, clock);
    try {
      this.#clients = new TlsClients(tls, clock, log);
      this.#http = new HttpServer({
        tls,
        clients: true,
        times,
        most: this.#places.most,
        serve: (request, response) => this.#serve(request, response),
      });
    } catch (error) {
      throw unusableFault(error, tls, named, "KM");
    }
    const { server } = this.#http;
    server.on("connection", (socket: Socket) => {
      const source = sourceOf(socket.remoteAddress);
      if (!this.#places.enter(socket)) this.#limit.warn(source, "too many connections");
    });
    // Before HTTP has the connection: a request that came with the handshake is not heard then.
    server.prependListener("secureConnection", (socket: TLSSocket) => this.#admit(socket));
    server.on("tlsClientError", (error: Error, socket: TLSSocket) => {
      const { code = "other" } = error as NodeJS.ErrnoException;
      const cause = noCommonGroup(error, tls) ?? code;
      this.#limit.warn(sourceOf(socket.remoteAddress), "TLS handshake refused", { cause });
    });
    server.on("error", (error: NodeJS.ErrnoException) => {
      this.#limit.warn(options.host, "key server", { cause: error.code ?? "other" });
    });
  }

  /** @returns the port @throws Fault `kq1.connect` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    try {
      return (await this.#http.listen(host, port)).port;
    } catch (error) {
      const facts = { host, port, code: errorCode(error) ?? "unknown" };
      throw new Fault(named.code, `${named.name} cannot listen`, facts);
    }
  }

  /**
   * New connections use these; those that are open are checked by them, and cut if they are not accepted.
   * @throws Fault `kq1.connect` if lists cannot be used: all stays as it was; or the certificate: the one
   *   before is shown further
   */
  renew(tls: KeyServerOptions["tls"]): void {
    try {
      // First, and also if certificate and key do not belong together: one may be on its way.
      this.#clients.renew(tls);
      this.#http.renew(tls);
    } catch (error) {
      throw unusableFault(error, tls, named, "KM");
    }
  }

  /** Checks the connections that are open again: certificates and lists run out by themselves. */
  recheck(): void {
    this.#clients.recheck();
  }

  /** Groups of TLS's key exchanges, by which keys are asked for: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#clients.groups;
  }

  /** No key may leave any more: connections that still have one to write are cut. */
  halt(): void {
    for (const response of this.#writing) response.destroy();
  }

  /** Resolves within a second. */
  close(): Promise<void> {
    return this.#http.close();
  }

  /** Gives a client whose handshake is complete its place, if it is accepted. */
  #admit(socket: TLSSocket): void {
    this.#clients.admit(socket);
    if (socket.destroyed) return;
    const certificate = socket.getPeerCertificate();
    this.#certificates.set(socket, certificate);
    if (this.#places.keep(socket, certificate.fingerprint256)) return;
    this.#limit.warn(sourceOf(socket.remoteAddress), "too many connections of one KM");
    socket.destroy();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    // Node.js takes it from a request whose body is not read to its end.
    const { socket } = request;
    const certificate = this.#certificates.get(socket);
    if (certificate === undefined) return void socket.destroy();
    const { fingerprint256: client } = certificate;
    if (!(await this.#turns.take(socket, response))) return;
    if (!(await this.#pace.passes(client, response))) return;
    try {
      const url = target(request);
      const path = requestPath.exec(url.pathname);
      // Told to everyone alike, whatever module the path names: it says nothing about modules.
      if (path === null) throw new Refusal("invalid_message", "no such path", 404);
      const [, id = "", what] = path;
      const access = this.#access(decode(id), certificate);
      this.#places.wanted(socket);
      if (what === "status") {
        if (request.method !== "GET") throw new Refusal("invalid_message", "GET only", 405);
        this.#pace.charge(client);
        this.#status(access, response);
      } else {
        const { repeated } = await this.#keys(access, request, url, response);
        if (repeated) this.#pace.charge(client);
      }
    } catch (error) {
      this.#pace.charge(client);
      const mayGoOn = request.complete && !request.destroyed;
      this.#refuse(response, sourceOf(socket.remoteAddress), mayGoOn, error);
    }
  }

  /** The module that is meant, if this client may ask for its keys. */
  #access(id: string, certificate: PeerCertificate): KeyAccess & { readonly km: string } {
    const { allowCommonName } = this.#options;
    const names = certifiedNames(certificate, { commonName: allowCommonName });
    const access = this.#options.modules().find((one) => one.matchingModuleId === id);
    const name = access?.kmNames.find((one) => hasName(names, one));
    // Whether there is such a module is not told to a stranger.
    if (access === undefined || name === undefined) {
      throw new Refusal("unauthorized", "no module of this name gives keys to this client");
    }
    return { ...access, km: kmIdentity([name], certificate, "") };
  }

  async #keys(
    access: KeyAccess & { readonly km: string },
    request: IncomingMessage,
    url: URL,
    response: ServerResponse,
  ): Promise<Pick<KeyReply, "repeated">> {
    const { desk, km, moduleId } = access;
    const { number, size, token } = await readRequest(request, url);
    if (isGone(response)) return {};
    const most = keysThatFit(size, maxResponse);
    const free = this.#room.take(km, responseBound(Math.min(number, most), size));
    if (free === undefined) throw new Refusal("busy", "too many answers are under way");
    try {
      const claimant = claimantOf(km, moduleId, randomUUID());
      const cut = () => void response.destroy();
      const reply = await desk.request({ claimant, token, number, size, most, cut });
      const { keys, response: reason, text = reason } = reply;
      if (keys.length === 0) throw new Refusal(reason, text);
      await this.#send(response, reply, keys.length === most ? number - most : 0);
      return reply;
    } finally {
      free();
    }
  }

  /** @throws Fault `key.invalid` if a key was wiped in this very turn */
  async #send(response: ServerResponse, reply: KeyReply, remaining: number): Promise<void> {
    if (isGone(response)) return reply.unsent?.();
    let body: Buffer;
    try {
      body = writeKeyResponse(reply.response, reply.keys, remaining);
    } catch (error) {
      reply.unsent?.();
      throw error;
    }
    this.#writing.add(response);
    const late = this.#clock.after(this.#times.answer, () => response.destroy());
    const how = await sendKeys(response, httpStatus.success as number, headers, body);
    late.cancel();
    this.#writing.delete(response);
    reply[how]?.();
  }

  /** 014 §6.2 "Status", as far as it has a meaning for a module. */
  #status({ desk, moduleId, matchingModuleId }: KeyAccess, response: ServerResponse): void {
    const status = {
      source_KME_ID: this.#options.nodeId,
      target_KME_ID: "",
      master_SAE_ID: moduleId,
      slave_SAE_ID: matchingModuleId,
      key_size: desk.unitBits,
      stored_key_count: desk.stored,
      max_key_count: desk.stored,
      max_key_per_request: keysThatFit(desk.unitBits, maxResponse),
      max_key_size: desk.unitBits,
      min_key_size: 8,
      max_SAE_ID_count: 0,
    };
    const body = Buffer.from(JSON.stringify(status));
    response.writeHead(200, { ...headers, "content-length": body.length });
    response.end(body);
  }

  /** @param mayGoOn nothing is left of its body: the connection can have another request */
  #refuse(response: ServerResponse, source: string, mayGoOn: boolean, error: unknown): void {
    const refusal =
      error instanceof Refusal
        ? error
        : error instanceof Fault
          ? new Refusal("invalid_message", error.message)
          : new Refusal("internal_error", "internal error");
    const { reason, status, message } = refusal;
    const isUsual = status === 503;
    if (!isUsual) this.#limit.warn(source, "key request refused", { cause: message });
    if (response.headersSent || response.destroyed) return;
    const body = Buffer.from(JSON.stringify({ keys: [], response: reason, message }));
    response.writeHead(status, {
      ...headers,
      "content-length": body.length,
      ...(isUsual && { "retry-after": "1" }),
      ...(!mayGoOn && { connection: "close" }),
    });
    response.end(body);
  }
}

/** As faults name it. */
const named = { code: "kq1.connect", name: "key server" } as const;
const headers = { "content-type": "application/json", "cache-control": "no-store" };
