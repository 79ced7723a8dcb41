/**
 * An HTTP server as every door of ours has it: TLS by the one place that says how, times for all that a
 * client may leave unfinished, and one way to listen, to show another certificate, and to close.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, type Server as TlsServer } from "node:https";
import type { AddressInfo } from "node:net";
import { errorCode } from "../../base/errors.ts";
import { serverTls, type TlsTexts } from "../tls/options.ts";

/** Times after which a connection is ended, ms. */
export interface HttpTimes {
  /** A handshake is complete. */
  readonly handshake: number;
  /** A request is there, from its first byte, or from the connection on. */
  readonly request: number;
  /** The next request comes. */
  readonly idle: number;
  /** Something moves while an answer waits for the client. */
  readonly stalled: number;
}

export interface HttpServerOptions {
  /** Undefined: plain HTTP, for loopback. */
  readonly tls: TlsTexts | undefined;
  /** Whether a client must show a certificate of the CAs in `tls`. */
  readonly clients: boolean;
  readonly times: HttpTimes;
  /** Connections at once. */
  readonly most: number;
  /** What else than HTTP is spoken here, by its name for TLS (ALPN). */
  readonly protocols?: readonly string[];
  /** Answers a request. One that rejects cuts its connection. */
  readonly serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>;
}

/** What clients of HTTP/1 name in the TLS handshake (ALPN), the best first: some name 1.0 alone. */
export const httpProtocols = ["http/1.1", "http/1.0"] as const;

/** Bytes of a request's head. */
const longestHead = 8_192;

export class HttpServer {
  /** For events of its connections. */
  readonly server: Server | TlsServer;
  readonly #clients: boolean;

  /** @throws what TLS says if the certificates are no good */
  constructor({ tls, clients, times, most, protocols, serve }: HttpServerOptions) {
    this.#clients = clients;
    const limits = {
      headersTimeout: times.request,
      requestTimeout: times.request,
      // By default Node.js looks every 30 s, and no limit is less than that.
      connectionsCheckingInterval: Math.min(1_000, times.request / 4),
      keepAliveTimeout: times.idle,
      keepAliveTimeoutBuffer: 0,
      maxHeaderSize: longestHead,
    };
    const answer = answering(serve);
    this.server =
      tls === undefined
        ? createServer(limits, answer)
        : createTlsServer(
            {
              ...limits,
              ...serverTls(tls, clients),
              handshakeTimeout: times.handshake,
              ALPNProtocols: [...httpProtocols, ...(protocols ?? [])],
            },
            answer,
          );
    answerExpectations(this.server);
    this.server.maxConnections = most;
    this.server.timeout = times.stalled;
  }

  /** @returns where it listens @throws ListenError */
  async listen(host: string, port: number): Promise<AddressInfo> {
    const { server } = this;
    await new Promise<void>((resolve, reject) => {
      const failed = (error: Error) => reject(new ListenError(errorCode(error) ?? "unknown"));
      server.once("error", failed);
      server.listen({ host, port }, () => {
        server.off("error", failed);
        resolve();
      });
    });
    return server.address() as AddressInfo;
  }

  /** New connections are shown these. @throws what TLS says if they are no good */
  renew(tls: TlsTexts): void {
    if ("setSecureContext" in this.server) {
      this.server.setSecureContext(serverTls(tls, this.#clients));
    }
  }

  /** Resolves within a second. What has no answer yet gets none. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.server.close(() => resolve());
      this.server.closeAllConnections();
    });
  }
}

/**
 * What a server does with a request. Node.js would pass on what two ends of a connection can read in two ways: of two
 * `Host` fields the first (RFC 9112 §3.2: 400), and what another transfer coding than chunked made as if it were the
 * body (§6.1: 501).
 * @param serve answers it; a rejection cuts the connection
 */
export function answering(
  serve: (request: IncomingMessage, response: ServerResponse) => Promise<void>,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    const { "transfer-encoding": coding = "chunked" } = request.headers;
    const { host: hosts = [] } = request.headersDistinct;
    const isChunked = coding.trim().toLowerCase() === "chunked";
    if (isChunked && hosts.length < 2) {
      return void serve(request, response).catch(() => response.destroy());
    }
    const status = isChunked ? 400 : 501;
    response.writeHead(status, { connection: "close", "content-length": 0 }).end();
  };
}

/**
 * A request that expects what HTTP does not know (`Expect`) is one as any other. Node.js would answer it 417 by itself,
 * past all that a door does with who asks; RFC 9110 §10.1.1 leaves it open.
 */
export function answerExpectations(server: Server | TlsServer): void {
  server.on("checkExpectation", (request: IncomingMessage, response: ServerResponse) => {
    server.emit("request", request, response);
  });
}

/** The address cannot be listened on; `code` is the system's: `EADDRINUSE`, `EACCES`. */
export class ListenError extends Error {
  override readonly name = "ListenError";
  readonly code: string;

  constructor(code: string) {
    super(`cannot listen: ${code}`);
    this.code = code;
  }
}
