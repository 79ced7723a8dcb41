/** Asks a server of EST (RFC 7030) for certificates: one connection for each question, over TLS 1.3. */
import type { X509Certificate } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import { type Clock, within } from "../../base/clock.ts";
import { describe, Fault } from "../../base/errors.ts";
import { retryAfterOf } from "../http/retry-after.ts";
import { dialTls } from "../tls/dial.ts";
import { clientTls, type TlsTexts } from "../tls/options.ts";
import { connectionReason } from "../tls/reason.ts";
import { certificatesOf } from "./answer.ts";

export interface EstServer {
  /** `https://HOST[:PORT]/.well-known/est[/LABEL]` */
  readonly url: string;
  /** PEM of who may have issued the server's certificate. */
  readonly ca: string;
  /** For a server that asks for it (RFC 7030 §3.2.3): HTTP Basic, under TLS. */
  readonly login?: { readonly username: string; readonly password: string } | undefined;
}

/** What is asked (RFC 7030 §3.2.2). */
export type EstOperation = "cacerts" | "simpleenroll" | "simplereenroll";

export interface EstQuestion {
  readonly operation: EstOperation;
  /** DER of a PKCS #10 request; none for `cacerts`. */
  readonly csr?: Buffer;
  /** PEM of what proves who asks; without it, the login alone does. */
  readonly own?: Required<Pick<TlsTexts, "cert" | "key">>;
}

/** Certificates, or that one is to ask again later (202, §4.2.3), in ms. */
export type EstAnswer =
  | { readonly certificates: readonly X509Certificate[] }
  | { readonly againMs: number };

/** From the name to the last byte, ms. */
const wholeMs = 30_000;
/** A chain of certificates is a few thousand bytes. */
const longestAnswer = 131_072;
/** What a server may ask us to wait, ms. */
const waits = { least: 60_000, usual: 600_000, most: 86_400_000 } as const;

/** @throws Fault `est`; nothing is left open then */
export async function askEst(
  server: EstServer,
  question: EstQuestion,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<EstAnswer> {
  const { hostname, port } = new URL(server.url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const over = new AbortController();
  const fault = (what: string, facts = {}) => {
    const { operation } = question;
    return new Fault("est", what, { source: server.url, operation, ...facts });
  };
  let socket: TLSSocket | undefined;
  const ask = async () => {
    const texts = { ca: server.ca, ...question.own };
    socket = await dialTls({
      host,
      port: port === "" ? 443 : Number(port),
      tls: () => clientTls(texts, host, () => clock.wall()),
      withinMs: wholeMs,
      clock,
      signal: AbortSignal.any([signal, over.signal]),
    });
    const ended = AbortSignal.any([signal, over.signal]);
    return exchange(socket, server, question, { fault, signal: ended, clock });
  };
  const late = () => fault("no answer in time", { limit_ms: wholeMs });
  try {
    return await within(clock, wholeMs, ask(), late);
  } catch (error) {
    if (error instanceof Fault) throw error;
    throw fault(`cannot be asked: ${connectionReason(error, "EST server")}`);
  } finally {
    over.abort();
    socket?.destroy();
  }
}

type MakeFault = (what: string, facts?: Record<string, string | number>) => Fault;

function exchange(
  socket: TLSSocket,
  { url, login }: EstServer,
  { operation, csr }: EstQuestion,
  { fault, signal, clock }: { fault: MakeFault; signal: AbortSignal; clock: Clock },
): Promise<EstAnswer> {
  const body = csr?.toString("base64");
  const basic = login && Buffer.from(`${login.username}:${login.password}`).toString("base64");
  const headers = {
    accept: "application/pkcs7-mime",
    ...(basic !== undefined && { authorization: `Basic ${basic}` }),
    ...(body !== undefined && {
      "content-type": "application/pkcs10",
      // RFC 8951 §3.1: it says nothing any more; older servers want it.
      "content-transfer-encoding": "base64",
      "content-length": body.length,
    }),
  };
  const options = {
    method: body === undefined ? "GET" : "POST",
    headers,
    createConnection: () => socket,
    signal,
  };
  const { promise, resolve, reject } = Promise.withResolvers<EstAnswer>();
  const asked = request(`${url.replace(/\/$/, "")}/${operation}`, options, (response) => {
    read(response, fault, clock.wall()).then(resolve, reject);
  });
  asked.on("error", (error) => reject(fault(`the connection ended: ${describe(error)}`)));
  asked.end(body);
  return promise;
}

async function read(response: IncomingMessage, fault: MakeFault, wall: number): Promise<EstAnswer> {
  const { statusCode: status = 0, headers } = response;
  if (status === 202) {
    response.destroy();
    return { againMs: retryAfterOf(headers["retry-after"], wall, waits) ?? waits.usual };
  }
  if (status !== 200) {
    response.destroy();
    // A redirection is not followed (§3.2.1 leaves it to the client): the configuration names the place.
    throw fault("the server refuses", { status });
  }
  let [body, length] = ["", 0];
  response.setEncoding("latin1");
  for await (const chunk of response as AsyncIterable<string>) {
    length += chunk.length;
    if (length > longestAnswer) throw fault("the answer is too long", { limit: longestAnswer });
    body += chunk;
  }
  try {
    return { certificates: certificatesOf(body) };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    throw fault(error.message, { ...error.facts, type: typeOf(headers["content-type"]) });
  }
}

/** The media type, by which a login page or a proxy is known. */
function typeOf(header = "none"): string {
  return /^[a-z0-9.+-]{1,40}\/[a-z0-9.+-]{1,40}/i.exec(header)?.[0] ?? "none";
}
