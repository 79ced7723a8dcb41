/**
 * Key supply over HTTPS (Annex B): a POST for each key, several connections at once since HTTP/1.1
 * answers in order on each. Used once, as a TCP session is: a connection that fails ends it.
 */

import type { ClientRequest } from "node:http";
import { request } from "node:https";
import type { TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { errorCode, Fault, type FaultCode, type FaultFacts } from "../../base/errors.ts";
import { peerOf } from "../../host/tls/peer.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { keyMemory, type QkdKey } from "../../port/key.ts";
import { EpochNames, type PairOf } from "../../wire/kq1/epoch-names.ts";
import { Heard, unheard } from "../../wire/kq1/heard.ts";
import { header } from "../../wire/kq1/names.ts";
import { type Oldest, Patience } from "../../wire/kq1/patience.ts";
import { SupplyWriter } from "../../wire/kq1/supply.ts";
import type { KmLink, KmSink } from "../keys/ports.ts";
import { checkUsable, endpointName, type KmEndpoint, stillGood } from "./connect.ts";
import { type HttpAnswer, readAnswer, strangerSays } from "./http-answer.ts";
import { KmAgent, type SecureEndpoint } from "./https-agent.ts";

export interface HttpsSupplyOptions {
  readonly endpoint: SecureEndpoint;
  /** Template of the request's path: see {@link supplyPath}. */
  readonly path: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** The pair of modules that an epoch is recorded for; default: those named above. */
  readonly pairOf?: PairOf;
  /** Whether messages have a `hash_value`; they do unless told otherwise. */
  readonly hashValue?: boolean;
  /** Most keys outstanding, and most connections. */
  readonly window: number;
  readonly connections: number;
  /** The KM completes an answer within this time or all of it is given up, ms: {@link Patience}. */
  readonly answerTimeout: Duration;
  /** Told whether the KM answers for its keys; default: not told. */
  readonly heard?: Heard;
  readonly clock: Clock;
}

/** After a stranger's answer no key is sent for so long, ms. */
const strangerPause = 1_000;

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
  request: ClientRequest | undefined;
  /** While it waits for a new connection to be set up. */
  connecting: Timer | undefined;
  /** When it was given to a connection, ms; undefined while it waits for one. */
  sentAt: number | undefined;
  /** All of it has left. */
  written: boolean;
}

export class HttpsSupply implements KmLink {
  readonly ended: Promise<Error | undefined>;
  readonly #options: HttpsSupplyOptions;
  readonly #sink: KmSink;
  readonly #names: EpochNames;
  readonly #writer: SupplyWriter;
  readonly #agent: KmAgent;
  #end!: (error: Error | undefined) => void;
  #over = false;
  readonly #posts = new Set<Post>();
  /** Those of them that wait for a connection, oldest first: the agent would make one for each after the end. */
  readonly #waiting: Post[] = [];
  readonly #patience: Patience;
  readonly #heard: Heard;
  /** Whether anything answered. */
  #heardOf = false;
  #halted = false;
  /** While the last answer was a stranger's: no more keys than connections are taken. */
  #doubtful = false;
  /** While no key is sent because of that. */
  #pause: Timer | undefined;
  #timer: Timer | undefined;

  constructor(options: HttpsSupplyOptions, sink: KmSink) {
    this.#options = options;
    this.#sink = sink;
    this.#patience = new Patience(options.answerTimeout);
    this.#heard = options.heard ?? new Heard();
    const { moduleId, matchingModuleId, hashValue, pairOf } = options;
    this.#names = new EpochNames({ moduleId, matchingModuleId }, pairOf);
    this.#writer = new SupplyWriter(moduleId, matchingModuleId, hashValue, pairOf);
    this.#agent = new KmAgent(options.endpoint, options.clock);
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  /**
   * Checks the connections that are open with the certificates of now; further ones are opened with
   * them. Ends it at once if the KM is not accepted any more.
   * @returns why not @throws Fault `kq1.connect` if no connection could be made with them
   */
  recheck({ tls, ...rest }: KmEndpoint): string | undefined {
    if (tls === undefined) return undefined;
    const endpoint = { ...rest, tls };
    for (const socket of this.#agent.connections) {
      const refused = stillGood(peerOf(socket), endpoint, this.#options.clock);
      if (refused === undefined) continue;
      const why = connectionReason(refused, "KM");
      const facts = { source: endpointName(endpoint), why };
      this.#finish(new Fault("kq1.closed", "connection to the KM ended", facts));
      return why;
    }
    checkUsable(endpoint, this.#options.clock);
    this.#agent.endpoint = endpoint;
    return undefined;
  }

  get room(): number {
    const { window, connections } = this.#options;
    const most = this.#doubtful ? Math.min(window, connections) : window;
    return this.#over ? 0 : Math.max(0, most - this.#posts.size);
  }

  supply(key: QkdKey): void {
    // It stays unanswered, and comes back to the caller with the others.
    if (this.#over) return;
    const frame = keyMemory(this.#writer.bound(key));
    const end = this.#writer.write(frame, 0, 0, key);
    const body = frame.subarray(header.length, end);
    const post: Post = {
      key,
      body,
      request: undefined,
      connecting: undefined,
      sentAt: undefined,
      written: false,
    };
    this.#posts.add(post);
    this.#waiting.push(post);
    this.#next();
  }

  halt(): void {
    if ([...this.#posts].every(({ written }) => written)) return;
    this.#halted = true;
    this.#fail("kq1.closed", "keys may not leave");
  }

  /** Ends it; unanswered keys stay the caller's. */
  close(): Promise<void> {
    this.#finish(undefined);
    return Promise.resolve();
  }

  /** Sends what waits as far as there are connections for it. */
  #next(): void {
    if (this.#pause !== undefined) return;
    while (this.#posts.size - this.#waiting.length < this.#options.connections) {
      const post = this.#waiting.shift();
      if (post === undefined) return;
      this.#send(post);
    }
  }

  #send(post: Post): void {
    const { endpoint, path } = this.#options;
    const { moduleId, matchingModuleId } = this.#names.of(post.key.block.ref.epoch);
    const sent = request({
      host: endpoint.host,
      port: endpoint.port,
      path: supplyPath(path, moduleId, matchingModuleId),
      method: "POST",
      agent: this.#agent,
      headers: {
        "content-type": "application/json",
        "content-length": post.body.length,
        "accept-encoding": "identity",
        // A repeat of a key is the same request (RFC 9110 §9.2.2 would not have it for POST).
        "idempotency-key": post.key.id,
      },
    });
    post.request = sent;
    post.sentAt = undefined;
    post.written = false;
    let answered = false;
    const mine = () => !this.#over && post.request === sent && this.#posts.has(post);
    const closed = (why: string) => {
      if (!mine() || answered) return;
      // A KM may close a connection that was idle in the moment in which it is used again.
      if (sent.reusedSocket) return this.#sendAgain(post);
      this.#fail("kq1.closed", "connection to the KM ended", { why });
    };
    sent.on("socket", (socket) => this.#connected(post, sent, socket as TLSSocket));
    sent.on("error", (error) => {
      const noHttp = errorCode(error)?.startsWith("HPE_") === true;
      if (noHttp && mine() && !answered)
        this.#answer(post, strangerSays(undefined, "it speaks no HTTP"));
      else closed(connectionReason(error, "KM"));
    });
    sent.on("close", () => closed("closed by the KM"));
    sent.on("upgrade", (response, socket) => {
      socket.destroy();
      if (mine()) this.#answer(post, strangerSays(response, "it changes the protocol"));
    });
    sent.on("response", (response) => {
      answered = true;
      const { socket } = response;
      readAnswer(
        response,
        post.key.id,
        () => post.written,
        (answer) => {
          // A stranger, and who did not wait for all of the key, gets no more on this connection.
          if (answer.stranger !== undefined || !post.written) socket.destroy();
          // The agent has the connection back only then.
          process.nextTick(() => mine() && this.#answer(post, answer));
        },
      );
    });
  }

  /** Over a new connection: where one was closed while it was idle, others were as well. */
  #sendAgain(post: Post): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) {
      for (const socket of sockets ?? []) socket.destroy();
    }
    this.#send(post);
  }

  #answer(post: Post, { stranger, reason }: HttpAnswer): void {
    const { clock } = this.#options;
    this.#heardOf = true;
    this.#doubtful = stranger !== undefined;
    if (stranger === undefined) {
      this.#heard.own++;
      this.#patience.answered(clock.now());
      this.#pause?.cancel();
      this.#pause = undefined;
    } else {
      this.#heard.notTheKm(stranger);
      // What waits here would go to the stranger too, each key over a connection of its own.
      this.#pause ??= clock.after(strangerPause, () => {
        this.#pause = undefined;
        this.#next();
      });
    }
    this.#done(post);
    this.#next();
    this.#sink.answered(post.key, reason ?? "unclear");
  }

  /** There is a connection for it, new or used. */
  #connected(post: Post, sent: ClientRequest, socket: TLSSocket): void {
    const { clock, endpoint } = this.#options;
    const write = () => {
      post.connecting?.cancel();
      if (sent.destroyed) return;
      post.sentAt = clock.now();
      this.#timer ??= this.#watch(this.#options.answerTimeout);
      writeApart(sent, post);
    };
    const { secureConnecting } = socket as { secureConnecting?: boolean };
    if (socket.connecting || secureConnecting) {
      const limit = { limit_ms: endpoint.connectTimeout };
      post.connecting = clock.after(endpoint.connectTimeout, () =>
        this.#fail("kq1.timeout", "KM does not take a further connection", limit),
      );
      socket.once("secureConnect", write);
    }
    // The agent hands a socket over before the request has it.
    else setImmediate(write);
  }

  /** Looks whether the KM still answers, once its time may be up. */
  #watch(ms: number): Timer {
    const { clock, answerTimeout } = this.#options;
    return clock.after(ms, () => {
      this.#timer = undefined;
      const oldest = this.#oldest();
      if (oldest === undefined || this.#over) return;
      const left = this.#patience.look(oldest, clock.now());
      if (typeof left === "number") this.#timer = this.#watch(left);
      else this.#fail("kq1.timeout", left, { limit_ms: answerTimeout });
    });
  }

  /** Of the posts that have a connection: the others wait for an answer to one of these. */
  #oldest(): Oldest | undefined {
    let oldest: Oldest | undefined;
    for (const post of this.#posts) {
      const { sentAt: at } = post;
      if (at !== undefined && (oldest === undefined || at < oldest.at)) oldest = { id: post, at };
    }
    return oldest;
  }

  #done(post: Post): void {
    post.connecting?.cancel();
    post.body.fill(0);
    this.#posts.delete(post);
  }

  #fail(code: FaultCode, what: string, facts: FaultFacts = {}): void {
    const source = endpointName(this.#options.endpoint);
    this.#finish(new Fault(code, what, { source, ...facts }));
  }

  #finish(fault: Fault | undefined): void {
    if (this.#over) return;
    this.#over = true;
    const unheardOf = this.#posts.size > 0 && !this.#heardOf && !this.#halted;
    if (fault !== undefined && unheardOf) this.#heard.notTheKm(unheard(fault));
    this.#timer?.cancel();
    this.#pause?.cancel();
    this.#waiting.length = 0;
    for (const post of this.#posts) {
      post.request?.destroy();
      this.#done(post);
    }
    this.#agent.destroy();
    this.#end(fault);
  }
}

/**
 * Writes the body once the headers are on their way: what a TLS socket is given together it joins
 * into a copy of its own, which is never wiped.
 */
function writeApart(sent: ClientRequest, post: Post): void {
  sent.flushHeaders();
  sent.write(post.body, (error) => {
    if (error) return;
    post.written = true;
    sent.end();
  });
}
