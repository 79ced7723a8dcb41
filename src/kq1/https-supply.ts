/**
 * Key supply over HTTPS (Annex B): a POST for each key, several connections at once since HTTP/1.1
 * answers in order on each. Used once, as a TCP session is: a connection that fails ends it.
 */
import type { ClientRequest, IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { isIP } from "node:net";
import { checkServerIdentity, type TLSSocket } from "node:tls";
import type { KmLink, KmSink } from "../custody/ports.ts";
import type { Clock, Timer } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import { keyMemory, type QkdKey } from "../port/key.ts";
import { readHttpAnswer } from "./answer.ts";
import { endpointName, type KmEndpoint, type TlsIdentity } from "./connect.ts";
import { header } from "./names.ts";
import { connectionReason } from "./reason.ts";
import { SupplyWriter } from "./supply.ts";

export interface HttpsSupplyOptions {
  readonly endpoint: KmEndpoint & { readonly tls: TlsIdentity };
  /** Path of the request, with the module IDs in it. */
  readonly path: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** Whether messages have a `hash_value`; they do unless told otherwise. */
  readonly hashValue?: boolean;
  /** Most keys outstanding, and most connections. */
  readonly window: number;
  readonly connections: number;
  readonly answerTimeoutMs: number;
  readonly clock: Clock;
}

/** An answer is short; a longer one is none. */
const maxAnswer = 16_384;

/** The path of a template with `{qkd_module_ID}` and `{matching_qkd_module_ID}` in it. */
export function supplyPath(template: string, moduleId: string, matchingModuleId: string): string {
  return template
    .replaceAll("{qkd_module_ID}", encodeURIComponent(moduleId))
    .replaceAll("{matching_qkd_module_ID}", encodeURIComponent(matchingModuleId));
}

/** A key that was not answered for, as the body of its request. */
interface Post {
  readonly key: QkdKey;
  readonly body: Buffer;
  readonly timer: Timer;
  request: ClientRequest | undefined;
  /** All of it has left. */
  written: boolean;
}

export class HttpsSupply implements KmLink {
  readonly ended: Promise<Error | undefined>;
  readonly #options: HttpsSupplyOptions;
  readonly #sink: KmSink;
  readonly #writer: SupplyWriter;
  readonly #agent: Agent;
  #end!: (error: Error | undefined) => void;
  #over = false;
  readonly #posts = new Set<Post>();

  constructor(options: HttpsSupplyOptions, sink: KmSink) {
    this.#options = options;
    this.#sink = sink;
    this.#writer = new SupplyWriter(options.moduleId, options.matchingModuleId, options.hashValue);
    const { serverName, tls } = options.endpoint;
    this.#agent = new Agent({
      ...tls,
      keepAlive: true,
      maxSockets: options.connections,
      minVersion: "TLSv1.3",
      rejectUnauthorized: true,
      // SNI carries names only; the identity check takes names and addresses.
      servername: isIP(serverName) === 0 ? serverName : "",
      checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get room(): number {
    return this.#over ? 0 : this.#options.window - this.#posts.size;
  }

  supply(key: QkdKey): void {
    // It stays unanswered, and comes back to the caller with the others.
    if (this.#over) return;
    const { endpoint, clock, answerTimeoutMs } = this.#options;
    const frame = keyMemory(this.#writer.bound(key));
    const end = this.#writer.write(frame, 0, 0, key);
    const timer = clock.after(answerTimeoutMs, () => {
      const facts = { source: endpointName(endpoint), limit_ms: answerTimeoutMs };
      this.#finish(new Fault("kq1.timeout", "KM does not answer", facts));
    });
    const body = frame.subarray(header.length, end);
    const post: Post = { key, body, timer, request: undefined, written: false };
    this.#posts.add(post);
    this.#send(post);
  }

  halt(): void {
    if ([...this.#posts].every(({ written }) => written)) return;
    const facts = { source: endpointName(this.#options.endpoint) };
    this.#finish(new Fault("kq1.closed", "keys may not leave", facts));
  }

  /** Ends it; unanswered keys stay the caller's. */
  close(): Promise<void> {
    this.#finish(undefined);
    return Promise.resolve();
  }

  #send(post: Post): void {
    const { endpoint, path } = this.#options;
    const sent = request({
      host: endpoint.host,
      port: endpoint.port,
      path,
      method: "POST",
      agent: this.#agent,
      headers: {
        "content-type": "application/json",
        "content-length": post.body.length,
        // A repeat of a key is the same request (RFC 9110 §9.2.2 would not have it for POST).
        "idempotency-key": post.key.id,
      },
    });
    post.request = sent;
    post.written = false;
    let answering = false;
    sent.on("socket", (socket) => writeApart(sent, socket as TLSSocket, post));
    sent.on("error", (error) => {
      if (this.#over || !this.#posts.has(post)) return;
      // A KM may close a connection that was idle in the moment in which it is used again.
      if (sent.reusedSocket && !answering) return this.#send(post);
      const facts = { source: endpointName(endpoint), why: connectionReason(error) };
      this.#finish(new Fault("kq1.closed", "connection to the KM ended", facts));
    });
    sent.on("response", (response) => {
      answering = true;
      readAnswer(response, post.key.id).then(
        (reason) => {
          if (!this.#posts.has(post)) return;
          this.#done(post);
          this.#sink.answered(post.key, reason);
        },
        (error: unknown) =>
          this.#finish(error instanceof Fault ? error : new Fault("kq1.closed", "answer cut off")),
      );
    });
  }

  #done(post: Post): void {
    post.timer.cancel();
    post.body.fill(0);
    this.#posts.delete(post);
  }

  #finish(fault: Fault | undefined): void {
    if (this.#over) return;
    this.#over = true;
    for (const post of this.#posts) {
      // One that waits for a connection would get a new one from the agent, and leave after all.
      post.request?.destroy();
      this.#done(post);
    }
    this.#agent.destroy();
    this.#end(fault);
  }
}

/**
 * Writes the body once the headers are on their way: what a TLS socket is given together it joins
 * into a copy of its own, which nobody wipes.
 */
function writeApart(sent: ClientRequest, socket: TLSSocket, post: Post): void {
  const write = () => {
    if (sent.destroyed) return;
    sent.flushHeaders();
    sent.write(post.body, () => {
      post.written = true;
      sent.end();
    });
  };
  const { secureConnecting } = socket as { secureConnecting?: boolean };
  if (socket.connecting || secureConnecting) socket.once("secureConnect", write);
  // The agent hands a socket over before the request has it.
  else setImmediate(write);
}

/** @returns `success` or a reason @throws Fault `kq1.message` */
async function readAnswer(response: IncomingMessage, keyId: string): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    length += chunk.length;
    if (length > maxAnswer) throw new Fault("kq1.message", "answer too long", { limit: maxAnswer });
    chunks.push(chunk);
  }
  return readHttpAnswer(response.statusCode ?? 0, Buffer.concat(chunks), keyId);
}
