/**
 * Keys upon request over HTTPS (Annex B): Key request in the shape of ETSI GS QKD 014 "Get key", and
 * "Get status", so that a stock 014 client can be the KM. TLS 1.3 with client certificates.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { KeyDesk } from "../custody/ports.ts";
import { type Clock, systemClock } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import type { Log } from "../port/log.ts";
import { TlsClients } from "../tls/clients.ts";
import { noCommonGroup, serverTls } from "../tls/options.ts";
import type { TlsIdentity } from "./connect.ts";
import { isGone, sendKeys } from "./https-answer.ts";
import { httpStatus, requestIdHeader, requestPath } from "./names.ts";
import { certifiedNames, kmIdentity } from "./peer.ts";
import {
  checkKeyRequest,
  checkToken,
  type KeyRequestMessage,
  keysThatFit,
  parseMembers,
  type RequestMembers,
  slotOf,
  writeKeyResponse,
} from "./request.ts";

/** Where one module's keys are asked for. */
export interface KeyAccess {
  readonly desk: KeyDesk;
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
  readonly log: Log;
}

const maxBody = 4_096;
/** Bytes of keys in one response: memory for one request, not a limit of HTTP. */
const maxResponse = 4_194_304;
const maxConnections = 256;
const requestTimeout = 10_000;
const keepAliveTimeout = 60_000;
/** A connection on which nothing moved for this long is ended, though an answer waits for it, ms. */
const stalledTimeout = 60_000;
/** Requests on one connection that wait for the one before; a client that sends more is cut off. */
const maxPipelined = 16;

/** A refusal, with the reason of Table 4 and a text for a person. */
class Refusal extends Error {
  readonly reason: string;
  readonly status: number;

  constructor(reason: string, message: string, status = httpStatus[reason] ?? 500) {
    super(message);
    this.reason = reason;
    this.status = status;
  }
}

export class KeyServer {
  readonly #options: KeyServerOptions;
  readonly #server: Server;
  /** Responses with keys that have not left yet. */
  readonly #writing = new Set<ServerResponse>();
  /** Requests that wait for the one before them on their connection, while there is one. */
  readonly #waiting = new WeakMap<Socket, (() => void)[]>();
  readonly #clients: TlsClients;

  /** @throws Fault `kq1.connect` if the certificates are no good */
  constructor(options: KeyServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    try {
      this.#clients = new TlsClients(tls, clock, log);
      this.#server = createServer(
        {
          ...serverTls(tls, true),
          handshakeTimeout: requestTimeout,
          headersTimeout: requestTimeout,
          requestTimeout,
          keepAliveTimeout,
          maxHeaderSize: 8_192,
        },
        (request, response) => void this.#serve(request, response),
      );
    } catch (error) {
      throw unusable(error);
    }
    // Before HTTP has the connection: a request that came with the handshake is not heard then.
    this.#server.prependListener("secureConnection", (socket) => this.#clients.admit(socket));
    this.#server.maxConnections = maxConnections;
    this.#server.timeout = stalledTimeout;
    this.#server.on("tlsClientError", (error) => {
      log.warn("TLS handshake refused", {
        cause: noCommonGroup(error, tls) ?? (error as NodeJS.ErrnoException).code ?? "other",
      });
    });
    this.#server.on("error", (error) => {
      log.error("key server", { cause: (error as NodeJS.ErrnoException).code ?? "other" });
    });
  }

  /** @returns the port @throws Fault `kq1.connect` */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", (error: NodeJS.ErrnoException) => {
        const facts = { host, port, code: error.code ?? "unknown" };
        reject(new Fault("kq1.connect", "key server cannot listen", facts));
      });
      this.#server.listen({ host, port }, resolve);
    });
    return (this.#server.address() as AddressInfo).port;
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
      this.#server.setSecureContext(serverTls(tls, true));
    } catch (error) {
      throw unusable(error);
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
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    await this.#turn(request.socket, response);
    if (isGone(response)) return;
    try {
      const url = target(request);
      const [, id = "", what = ""] = requestPath.exec(url.pathname) ?? [];
      const access = this.#access(decode(id), request.socket as TLSSocket);
      if (what === "status") {
        if (request.method !== "GET") throw new Refusal("invalid_message", "GET only", 405);
        this.#status(access, response);
      } else if (what === "enc_keys") {
        await this.#keys(access, request, url, response);
      } else {
        throw new Refusal("invalid_message", "no such path", 404);
      }
    } catch (error) {
      this.#refuse(response, error);
    }
  }

  /**
   * Resolves once all responses before this one have left their connection, or it is closed: until
   * then nothing can be written, and no key is to be given for it.
   */
  async #turn(socket: Socket, response: ServerResponse): Promise<void> {
    const before = this.#waiting.get(socket);
    if (before === undefined) this.#waiting.set(socket, []);
    else if (before.length >= maxPipelined) socket.destroy();
    else await new Promise<void>((resolve) => before.push(resolve));
    const next = () => {
      const waiting = this.#waiting.get(socket);
      if (waiting?.length === 0) this.#waiting.delete(socket);
      else waiting?.shift()?.();
    };
    // A response that never had the connection does not tell that it is closed.
    if (isGone(response)) next();
    else response.once("close", next);
  }

  /** The module that is meant, if this client may ask for its keys. */
  #access(id: string, socket: TLSSocket): KeyAccess & { readonly km: string } {
    const { allowCommonName } = this.#options;
    const certificate = socket.getPeerCertificate();
    const names = certifiedNames(certificate, allowCommonName);
    const access = this.#options.modules().find((one) => one.matchingModuleId === id);
    const name = access?.kmNames.find((one) => names.includes(one));
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
  ): Promise<void> {
    const { desk, km, moduleId } = access;
    const { number, size, token } = await readRequest(request, url);
    if (isGone(response)) return;
    const most = keysThatFit(size, maxResponse);
    const slot = slotOf(km, moduleId, randomUUID());
    const reply = await desk.request({ slot, token, number, size, most });
    const { keys, text = reply.response } = reply;
    if (keys.length === 0) return this.#refuse(response, new Refusal(reply.response, text), {});
    if (isGone(response)) return reply.unsent?.();
    this.#writing.add(response);
    try {
      const body = writeKeyResponse(reply.response, keys, keys.length === most ? number - most : 0);
      const how = await sendKeys(response, httpStatus.success as number, headers, body);
      reply[how]?.();
    } catch (error) {
      // Before anything was written: a key was wiped in this very turn.
      reply.unsent?.();
      throw error;
    } finally {
      this.#writing.delete(response);
    }
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

  /** @param more what is left of a body that was refused is not waited for, unless told otherwise */
  #refuse(
    response: ServerResponse,
    error: unknown,
    more: Readonly<Record<string, string>> = { connection: "close" },
  ): void {
    const refusal =
      error instanceof Refusal
        ? error
        : error instanceof Fault
          ? new Refusal("invalid_message", error.message)
          : new Refusal("internal_error", "internal error");
    if (response.headersSent || response.destroyed) return;
    const { reason, status, message } = refusal;
    const body = Buffer.from(JSON.stringify({ keys: [], response: reason, message }));
    response.writeHead(status, { ...headers, "content-length": body.length, ...more });
    response.end(body);
  }
}

function unusable(error: unknown): Fault {
  const why = error instanceof Error ? error.message : "unknown";
  return new Fault("kq1.connect", `key server: certificates cannot be used: ${why}`);
}

const headers = { "content-type": "application/json", "cache-control": "no-store" };

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw new Refusal("invalid_message", "path is not percent-encoded UTF-8");
  }
}

/** @throws Refusal if the request's target is no path: such as `//`, or a full address of another */
function target({ url = "" }: IncomingMessage): URL {
  const parsed = url.startsWith("/") ? URL.parse(`https://node${url}`) : null;
  if (parsed === null || parsed.host !== "node")
    throw new Refusal("invalid_message", "no path", 400);
  return parsed;
}

/** @throws Fault `kq1.message`, Refusal */
async function readRequest(request: IncomingMessage, url: URL): Promise<KeyRequestMessage> {
  const wanted = checkKeyRequest(await readMembers(request, url));
  const named = request.headersDistinct[requestIdHeader] ?? [];
  const token = checkToken(named[0], requestIdHeader);
  // Names must be one: which of two is meant cannot be known.
  const other = wanted.token !== undefined && token !== undefined && wanted.token !== token;
  if (named.length > 1 || other) throw new Refusal("invalid_message", "the request has two names");
  return { ...wanted, token: token ?? wanted.token };
}

async function readMembers(request: IncomingMessage, url: URL): Promise<RequestMembers> {
  if (request.method === "GET") {
    const members: Record<string, unknown> = Object.create(null);
    for (const [name, value] of url.searchParams) {
      if (name in members) throw new Refusal("invalid_message", "a parameter is there twice");
      // "1e3" and " 7" are numbers to JavaScript, and to nobody who writes a query.
      members[name] = /^\d{1,10}$/.test(value) ? Number(value) : value;
    }
    return members;
  }
  if (request.method !== "POST") throw new Refusal("invalid_message", "GET or POST only", 405);
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxBody) throw new Refusal("invalid_message", `body over ${maxBody} bytes`, 413);
    chunks.push(chunk);
  }
  return parseMembers(Buffer.concat(chunks));
}
