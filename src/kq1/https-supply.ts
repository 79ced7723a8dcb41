/**
 * Key supply over HTTPS (Annex B): a POST for each key, several connections at once since HTTP/1.1
 * answers in order on each. Used once, as a TCP session is: a connection that fails ends it.
 */
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import { checkServerIdentity } from "node:tls";
import type { KmLink, KmSink } from "../custody/ports.ts";
import type { Clock, Timer } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import type { QkdKey } from "../port/key.ts";
import { parseSupplyAnswer } from "./answer.ts";
import { endpointName, type KmEndpoint, type TlsIdentity } from "./connect.ts";
import { header, reasonOfStatus, reasons } from "./names.ts";
import { connectionReason } from "./reason.ts";
import { SupplyWriter } from "./supply.ts";

export interface HttpsSupplyOptions {
  readonly endpoint: KmEndpoint & { readonly tls: TlsIdentity };
  /** Path of the request, with the module IDs in it. */
  readonly path: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
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

export class HttpsSupply implements KmLink {
  readonly ended: Promise<Error | undefined>;
  readonly #options: HttpsSupplyOptions;
  readonly #sink: KmSink;
  readonly #writer: SupplyWriter;
  readonly #agent: Agent;
  #end!: (error: Error | undefined) => void;
  #over = false;
  readonly #timers = new Set<Timer>();

  constructor(options: HttpsSupplyOptions, sink: KmSink) {
    this.#options = options;
    this.#sink = sink;
    this.#writer = new SupplyWriter(options.moduleId, options.matchingModuleId);
    const { serverName, tls } = options.endpoint;
    this.#agent = new Agent({
      ...tls,
      keepAlive: true,
      maxSockets: options.connections,
      minVersion: "TLSv1.3",
      rejectUnauthorized: true,
      checkServerIdentity: (_host, certificate) => checkServerIdentity(serverName, certificate),
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
  }

  get room(): number {
    return this.#over ? 0 : this.#options.window - this.#timers.size;
  }

  supply(key: QkdKey): void {
    const { endpoint, path, clock, answerTimeoutMs } = this.#options;
    const frame = Buffer.allocUnsafeSlow(this.#writer.bound(key));
    const end = this.#writer.write(frame, 0, 0, key);
    const body = frame.subarray(header.length, end);
    const { id } = key;
    const post = request({
      host: endpoint.host,
      port: endpoint.port,
      servername: endpoint.serverName,
      path,
      method: "POST",
      agent: this.#agent,
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        // A repeat of a key is the same request (RFC 9110 §9.2.2 would not have it for POST).
        "idempotency-key": id,
      },
    });
    const timer = clock.after(answerTimeoutMs, () => {
      const facts = { source: endpointName(endpoint), limit_ms: answerTimeoutMs };
      this.#fail(new Fault("kq1.timeout", "KM does not answer", facts));
    });
    this.#timers.add(timer);
    const done = () => {
      timer.cancel();
      this.#timers.delete(timer);
      frame.fill(0);
    };
    post.on("error", (error) => {
      done();
      const facts = { source: endpointName(endpoint), why: connectionReason(error) };
      this.#fail(new Fault("kq1.closed", "connection to the KM ended", facts));
    });
    post.on("response", (response) => {
      this.#read(response, id).then(
        (reason) => {
          done();
          if (!this.#over) this.#sink.answered(id, reason);
        },
        (error: unknown) => {
          done();
          this.#fail(error instanceof Fault ? error : new Fault("kq1.closed", "answer cut off"));
        },
      );
    });
    // The head goes first, and the body only over a connection that is up: what has to wait Node.js
    // puts together in memory of its own, which nobody wipes.
    post.flushHeaders();
    post.once("socket", (socket) => {
      if (socket.connecting) socket.once("secureConnect", () => setImmediate(() => post.end(body)));
      else setImmediate(() => post.end(body));
    });
  }

  /** Ends it; unanswered keys stay the caller's. */
  close(): Promise<void> {
    this.#finish(undefined);
    return Promise.resolve();
  }

  /** @returns `success` or a reason @throws Fault `kq1.message` */
  async #read(response: IncomingMessage, keyId: string): Promise<string> {
    const { statusCode = 0 } = response;
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of response as AsyncIterable<Buffer>) {
      length += chunk.length;
      if (length > maxAnswer)
        throw new Fault("kq1.message", "answer too long", { limit: maxAnswer });
      chunks.push(chunk);
    }
    const body = Buffer.concat(chunks);
    const byStatus = reasonOfStatus(statusCode);
    let said: ReturnType<typeof parseSupplyAnswer> | undefined;
    try {
      said = parseSupplyAnswer(body, byStatus);
    } catch (error) {
      // A gateway answers in words of its own; that a key is stored only the KM itself may say.
      if (byStatus === "success") throw error;
    }
    if (said?.keyId !== undefined && said.keyId !== keyId) {
      throw new Fault("kq1.message", "answer names another key_ID than its message", {
        key_ID: keyId,
      });
    }
    const reason = said?.response ?? byStatus;
    // Neither status nor body alone makes a success.
    if (byStatus !== "success" && reasons[reason] === "delivered") return byStatus;
    return reason;
  }

  #fail(fault: Fault): void {
    this.#finish(fault);
  }

  #finish(fault: Fault | undefined): void {
    if (this.#over) return;
    this.#over = true;
    for (const timer of this.#timers) timer.cancel();
    this.#agent.destroy();
    this.#end(fault);
  }
}
