/**
 * The login of the page on a service port: a password from a file, then a cookie. For what has no
 * cookies, such as Prometheus, a token (RFC 6750) or the password (RFC 7617) may be in each request.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Clock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { sourceOf } from "../../host/door/source.ts";
import type { Asset, PageProgram } from "./assets.ts";
import { hostName } from "./host.ts";
import {
  Attempts,
  digest,
  knownMs,
  Sessions,
  sameSecret,
  sessionMs,
  shortestPassword,
  shortestToken,
} from "./login.ts";
import { redirect, sendJson, sendText } from "./reply.ts";

export interface GateParts {
  readonly program: PageProgram;
  /** Read each time: it may have been changed. @throws what the file system says */
  readonly password: () => string;
  /** Opens the metrics, and nothing else; read each time. @throws what the file system says */
  readonly metricsToken?: (() => string) | undefined;
  readonly clock: Clock;
  readonly log: Log;
}

const attributes = "Path=/; Secure; HttpOnly; SameSite=Strict";
const maxBody = 1_024;

const messages: Readonly<Record<string, string>> = {
  "?wrong": "Wrong password.",
  "?wait":
    "Too many wrong passwords from your address. Wait a while, a minute at most, and try again.",
};

export class Gate {
  readonly #parts: GateParts;
  readonly #sessions = new Sessions();
  readonly #known = new Sessions(knownMs);
  readonly #attempts = new Attempts();
  readonly #limit: LogLimit;
  /**
   * A browser takes a cookie of this name over TLS only, and for this host only. A host's ports share them: each
   * program has its own.
   */
  readonly #cookie: string;
  /** Of a browser that was logged in before: it opens nothing. */
  readonly #knownCookie: string;

  constructor(parts: GateParts) {
    this.#parts = parts;
    this.#cookie = `__Host-${parts.program.command}`;
    this.#knownCookie = `${this.#cookie}-known`;
    this.#limit = LogLimit.of(parts.log, parts.clock);
  }

  /** Who asks, as far as they are told apart: a login, a browser that had one, or a source. */
  clientOf(request: IncomingMessage): string {
    const now = this.#parts.clock.now();
    for (const [name, tokens] of [
      [this.#cookie, this.#sessions],
      [this.#knownCookie, this.#known],
    ] as const) {
      const token = cookieOf(request, name);
      if (token !== undefined && tokens.until(token, now) !== undefined) return digest(token);
    }
    return sourceOf(request.socket.remoteAddress);
  }

  knows(request: IncomingMessage): boolean {
    return this.until(request) !== undefined;
  }

  /** When the login ends, monotonic ms; undefined: there is none. */
  until(request: IncomingMessage): number | undefined {
    const token = cookieOf(request, this.#cookie);
    return token === undefined ? undefined : this.#sessions.until(token, this.#parts.clock.now());
  }

  /** `Authorization: Bearer`, with the token of the metrics. */
  knowsToken(request: IncomingMessage): boolean {
    const [, given] =
      /^Bearer ([\x21-\x7e]{1,512})$/.exec(request.headers.authorization ?? "") ?? [];
    const right = this.#parts.metricsToken?.();
    if (given === undefined || right === undefined || right.length < shortestToken) return false;
    return sameSecret(given, right);
  }

  /** `Authorization: Basic`, with any user name. */
  knowsPassword(request: IncomingMessage): boolean {
    const match = /^Basic ([A-Za-z0-9+/=]{1,512})$/.exec(request.headers.authorization ?? "");
    const [, encoded] = match ?? [];
    if (encoded === undefined) return false;
    const text = Buffer.from(encoded, "base64").toString("utf8");
    return this.#try(request, text.slice(text.indexOf(":") + 1)) === "good";
  }

  /** The form, with what was wrong the last time. */
  form(response: ServerResponse, url: URL, page: Asset): void {
    const text = page.body
      .toString("utf8")
      .replaceAll("PROGRAM", this.#parts.program.title)
      .replace("<!--message-->", messages[url.search] ?? "");
    sendText(response, 200, page.type, text);
  }

  async login(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!sameOrigin(request)) return sendJson(response, 403, { error: "from another site" });
    const body = await readBody(request);
    if (body === "gone") return void response.destroy();
    if (body === undefined) return sendJson(response, 413, { error: `over ${maxBody} bytes` });
    const outcome = this.#try(request, new URLSearchParams(body.toString()).get("password") ?? "");
    if (outcome !== "good") return redirect(response, `/login?${outcome}`);
    const now = this.#parts.clock.now();
    const set = (name: string, token: string, ms: number) =>
      `${name}=${token}; Max-Age=${ms / 1_000}; ${attributes}`;
    const cookies = [set(this.#cookie, this.#sessions.open(now), sessionMs)];
    const known = cookieOf(request, this.#knownCookie);
    if (known === undefined || this.#known.until(known, now) === undefined) {
      cookies.push(set(this.#knownCookie, this.#known.open(now), knownMs));
    }
    redirect(response, "/", { "set-cookie": cookies });
  }

  logout(request: IncomingMessage, response: ServerResponse): void {
    if (!sameOrigin(request)) return sendJson(response, 403, { error: "from another site" });
    this.#sessions.close(cookieOf(request, this.#cookie) ?? "");
    redirect(response, "/login", { "set-cookie": `${this.#cookie}=; Max-Age=0; ${attributes}` });
  }

  /** Without a login: a person is shown the form, a program gets 401. */
  refuse(request: IncomingMessage, response: ServerResponse): void {
    if (request.headers["sec-fetch-mode"] === "navigate") return redirect(response, "/login");
    const realm = `Basic realm="${this.#parts.program.command}", charset="UTF-8"`;
    const headers = { "www-authenticate": realm };
    // Asked for by a script of ours a browser would show a dialogue of its own.
    const asks = request.headers["sec-fetch-mode"] === undefined;
    sendText(response, 401, "text/plain", "login needed: /login\n", asks ? headers : {});
  }

  #try(request: IncomingMessage, password: string): "good" | "wrong" | "wait" {
    const now = this.#parts.clock.now();
    const who = this.clientOf(request);
    if (this.#attempts.wait(who, now) > 0) return "wait";
    const right = this.#parts.password();
    // An empty file is no password.
    if (right.length >= shortestPassword && sameSecret(password, right)) return "good";
    this.#attempts.failed(who, now);
    this.#limit.warn(sourceOf(request.socket.remoteAddress), "page: wrong password");
    return "wrong";
  }
}

/** A form on another site can post here, but not say that it is ours. */
function sameOrigin({ headers }: IncomingMessage): boolean {
  const { origin } = headers;
  const from = origin === undefined ? undefined : URL.parse(origin);
  return from !== null && from?.host === headers.host && hostName(headers.host) !== undefined;
}

/** What a cookie holds. */
function cookieOf({ headers }: IncomingMessage, name: string): string | undefined {
  for (const part of (headers.cookie ?? "").split("; ")) {
    if (part.startsWith(`${name}=`)) return part.slice(name.length + 1);
  }
  return undefined;
}

/** @returns undefined: it is too long; "gone": its client ended the connection before the end of it, or took too long */
async function readBody(request: IncomingMessage): Promise<Buffer | "gone" | undefined> {
  const chunks: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxBody) return undefined;
      chunks.push(chunk);
    }
  } catch {
    return "gone";
  }
  return Buffer.concat(chunks);
}
