/**
 * The local page's server: routes in one table, everything that is not in it is 404. It only reads:
 * there is nothing here by which the program could be told to do something.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { type Clock, delay } from "../../base/clock.ts";
import { errorCode, Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Effort } from "../../host/door/effort.ts";
import { Places } from "../../host/door/places.ts";
import { sourceOf } from "../../host/door/source.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { HttpServer, type HttpTimes } from "../../host/http/server.ts";
import { threadMs } from "../../host/life/thread-time.ts";
import { type Asset, loadAssets, type PageProgram } from "./assets.ts";
import { Gate } from "./gate.ts";
import { isLoopback, isOurs } from "./host.ts";
import { securityHeaders, sendAsset, sendJson, sendText } from "./reply.ts";
import { mostViewers, Stream } from "./stream.ts";

/** PEM texts that the page is served with, and whether browsers must have a post-quantum key exchange. */
export interface PageIdentity {
  readonly cert: string;
  readonly key: string;
  readonly requirePq?: boolean;
}

export interface WebOptions {
  readonly host: string;
  /** 0: a free one. */
  readonly port: number;
  /** Names by which browsers may call it, beside addresses and `localhost`. */
  readonly names: readonly string[];
  /** TLS and a login; undefined only on loopback. */
  readonly secure:
    | (PageIdentity & {
        readonly password: () => string;
        /** Opens the metrics by itself. */
        readonly metricsToken?: (() => string) | undefined;
      })
    | undefined;
  readonly times?: Partial<HttpTimes>;
}

/** A request, and what answers it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
}

/** What is served: each program has its own. */
export interface PageContent {
  readonly program: PageProgram;
  /** What browsers are told. @param whole for a new browser; else what is new since the last call */
  message(whole: boolean): object;
  /** Paths that are read, and what answers there. */
  readonly routes: readonly (readonly [string, (exchange: Exchange) => void])[];
  /** Answers `/metrics`. @param viewers browsers that watch */
  metrics(exchange: Exchange, viewers: number): void;
  /** Answers `/healthz`. */
  alive(response: ServerResponse): void;
  /** For `/readyz`; a stranger is told no more than yes or no. */
  readiness(): { readonly ready: boolean };
}

export interface WebParts {
  readonly content: PageContent;
  readonly clock: Clock;
  /** What was spent of a processor so far, ms; default: by this thread. */
  readonly processor?: () => number;
  readonly log: Log;
}

interface Route {
  readonly method: "GET" | "POST";
  /** Also without a login. */
  readonly isPublic: boolean;
  /** Also with the token of the metrics or the password in the request, for what has no cookies. */
  readonly byHeader?: true;
  readonly serve: (exchange: Exchange) => void | Promise<void>;
}

const standardTimes: HttpTimes = {
  handshake: 10_000,
  request: 10_000,
  idle: 5_000,
  stalled: 20_000,
};
/** Connections: those of browsers that watch keep their places, others make way. */
const places = {
  strangers: 48,
  strangersOfOne: 32,
  kept: mostViewers,
  keptOfOne: mostViewers,
  rate: { burst: 256, refillMs: 50 },
} as const;
/** What it may take to answer one client, and all; and how long a request waits for that, ms. */
const effort = { burstMs: 300, share: 0.1, all: { burstMs: 600, share: 0.2 } } as const;
const longestWait = 5_000;
/** What a request takes beside its answer, ms. */
const overhead = 0.3;

export class WebServer {
  readonly #options: WebOptions;
  readonly #parts: WebParts;
  readonly #http: HttpServer;
  readonly #stream: Stream;
  readonly #gate: Gate | undefined;
  /** No browser sends a request before it has the answer to the one before. */
  readonly #turns = new Turns(2);
  readonly #places: Places;
  readonly #effort: Effort;
  readonly #limit: LogLimit;
  readonly #assets: ReadonlyMap<string, Asset>;
  readonly #routes: ReadonlyMap<string, readonly Route[]>;
  /** Settles when it serves no more. */
  readonly ended: Promise<Error | undefined>;

  /** @throws Fault `web.listen` if certificates are no good or a file of the page is missing */
  constructor(options: WebOptions, parts: WebParts) {
    this.#options = options;
    this.#parts = parts;
    const { secure } = options;
    const { clock, log, processor = threadMs } = parts;
    this.#places = new Places({ ...places, clock });
    this.#effort = new Effort(effort, clock, processor);
    this.#limit = LogLimit.of(log, clock);
    const times = { ...standardTimes, ...options.times };
    try {
      this.#assets = loadAssets(parts.content.program);
      this.#http = new HttpServer({
        tls: secure && textsOf(secure),
        clients: false,
        times,
        most: this.#places.most,
        serve: (request, response) => this.#serve(request, response),
      });
    } catch (error) {
      const why = error instanceof Error ? error.message : "unknown";
      throw new Fault("web.listen", `page cannot be served: ${why}`);
    }
    this.#gate = secure && new Gate({ ...secure, program: parts.content.program, clock, log });
    const { server } = this.#http;
    server.on("connection", (socket: Socket) => {
      const source = sourceOf(socket.remoteAddress);
      // Who is that much in debt would only wait: to hear what it asks takes time as well.
      const isWelcome = this.#effort.wait(source) <= longestWait;
      if (!isWelcome) socket.destroy();
      if (isWelcome && this.#places.enter(socket)) return;
      this.#limit.warn(source, "page: too many connections");
    });
    this.ended = new Promise((resolve) => {
      server.once("close", () => resolve(undefined));
      server.on("error", (error) => resolve(error));
    });
    this.#stream = new Stream({
      clock: parts.clock,
      message: (whole) => parts.content.message(whole),
    });
    this.#routes = this.#table();
  }

  /** @returns where the page is @throws Fault `web.listen` */
  async listen(): Promise<string> {
    const { host, port, secure } = this.#options;
    const bound = await this.#http.listen(host, port).catch((error: unknown) => {
      const code = errorCode(error) ?? "unknown";
      const what = code === "EADDRINUSE" ? "port is in use" : "cannot listen";
      throw new Fault("web.listen", `page: ${what}`, { host, port, code });
    });
    const { address, family } = bound;
    if (secure === undefined && !isLoopback(address)) {
      await this.close();
      throw new Fault("web.listen", "page: without a login it is for loopback only", { host });
    }
    const name = isLoopback(address) || host === "::" || host === "0.0.0.0" ? address : host;
    const shown = family === "IPv6" && name === address ? `[${name}]` : name;
    return `${secure === undefined ? "http" : "https"}://${shown}:${bound.port}/`;
  }

  /** Something happened that people should see now. */
  pushUpdate(): void {
    this.#stream.pushUpdate();
  }

  /** New connections use these. @throws a TLS error if they are no good */
  renew(files: PageIdentity): void {
    this.#http.renew(textsOf(files));
  }

  /** Resolves within a second; never rejects. */
  close(): Promise<void> {
    this.#stream.close();
    return this.#http.close();
  }

  #table(): ReadonlyMap<string, readonly Route[]> {
    const { content } = this.#parts;
    const get = (serve: Route["serve"], isPublic = false): Route[] => {
      return [{ method: "GET", isPublic, serve }];
    };
    const routes = new Map<string, readonly Route[]>();
    for (const [path, asset] of this.#assets) {
      const serve = ({ request, response }: Exchange) => sendAsset(request, response, asset);
      routes.set(path, get(serve, asset.isPublic));
    }
    routes.set(
      "/api/state",
      get(({ response }) => sendJson(response, 200, content.message(true))),
    );
    routes.set(
      "/api/stream",
      get((exchange) => this.#watch(exchange)),
    );
    for (const [path, serve] of content.routes) routes.set(path, get(serve));
    routes.set("/metrics", [
      {
        method: "GET",
        isPublic: false,
        byHeader: true,
        serve: (x) => content.metrics(x, this.#stream.viewers),
      },
    ]);
    routes.set(
      "/healthz",
      get(({ response }) => content.alive(response), true),
    );
    routes.set(
      "/readyz",
      get((exchange) => this.#ready(exchange), true),
    );
    const gate = this.#gate;
    const login = this.#assets.get("/login") as Asset;
    if (gate === undefined) {
      routes.delete("/login");
    } else {
      routes.set("/login", [
        { method: "GET", isPublic: true, serve: (x) => gate.form(x.response, x.url, login) },
        { method: "POST", isPublic: true, serve: (x) => gate.login(x.request, x.response) },
      ]);
      routes.set("/logout", [
        { method: "POST", isPublic: false, serve: (x) => gate.logout(x.request, x.response) },
      ]);
    }
    return routes;
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gate = this.#gate;
    const source = sourceOf(request.socket.remoteAddress);
    const client = gate?.clientOf(request) ?? source;
    this.#effort.charge(client, overhead);
    if (!(await this.#turns.take(request.socket, response))) return;
    try {
      const wait = this.#effort.wait(client);
      if (wait > 0) await delay(this.#parts.clock, Math.min(wait, longestWait));
      if (isGone(response)) return;
      for (const [name, value] of Object.entries(securityHeaders)) response.setHeader(name, value);
      if (wait > longestWait) {
        const later = { "retry-after": "5" };
        return sendText(response, 503, "text/plain", "too much was asked\n", later);
      }
      if (!isOurs(request.headers.host, this.#options.names)) {
        return sendJson(response, 421, { error: "not a name of this machine" });
      }
      const { url: target = "" } = request;
      const url = /^\/(?!\/)/.test(target) ? URL.parse(`http://node${target}`) : null;
      const routes = url === null ? undefined : this.#routes.get(url.pathname);
      const method = request.method === "HEAD" ? "GET" : request.method;
      const route = routes?.find((one) => one.method === method);
      if (gate !== undefined && route?.isPublic !== true) {
        const byHeader = () => gate.knowsToken(request) || gate.knowsPassword(request);
        const known = gate.knows(request) || (route?.byHeader && byHeader());
        // Whether there is such a path is not told to a stranger.
        if (!known) return gate.refuse(request, response);
      }
      if (wait === 0) this.#places.wanted(request.socket);
      if (url === null || routes === undefined) {
        return sendJson(response, 404, { error: "no such path" });
      }
      if (route === undefined) {
        const allow = routes.map((one) => one.method).join(", ");
        return sendText(response, 405, "text/plain", `${allow} only\n`, { allow });
      }
      await this.#effort.measure(client, () => route.serve({ request, response, url }));
    } catch (error) {
      const cause = error instanceof Error ? error.name : "unknown";
      this.#limit.warn(source, "page: internal error", { cause });
      if (response.headersSent) response.destroy();
      else sendJson(response, 500, { error: "internal error" });
    }
  }

  #watch({ request, response }: Exchange): void {
    if (request.method === "HEAD") return sendText(response, 200, "text/event-stream", "");
    const until = this.#gate?.until(request);
    const { socket } = request;
    const isPlace = this.#places.keep(socket, sourceOf(socket.remoteAddress));
    if (isPlace && this.#stream.add(response, until)) return;
    const text = `no more than ${mostViewers} browsers at once\n`;
    sendText(response, 503, "text/plain", text, { "retry-after": "10" });
  }

  #ready({ request, response }: Exchange): void {
    const told = this.#parts.content.readiness();
    const { ready } = told;
    const gate = this.#gate;
    // To a stranger no more than yes or no.
    const isKnown = gate === undefined || gate.knows(request);
    sendJson(response, ready ? 200 : 503, isKnown ? told : { ready });
  }
}

function textsOf({ cert, key, requirePq }: PageIdentity) {
  return { ca: undefined, cert, key, requirePq };
}
