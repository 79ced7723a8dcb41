/** Supplies over HTTPS (Annex B): a POST for each key. */
import type { IncomingHttpHeaders } from "node:http";
import { Agent, request } from "node:https";
import { quoted, readMembers, refusals, type Said } from "./message.ts";
import type { Target } from "./target.ts";
import { tlsOptions } from "./tcp.ts";

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** Whether an open connection was used again. */
  readonly reused: boolean;
}

export interface Post {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Without a length in the header, in two pieces. */
  readonly chunked?: boolean;
  /** Send half of it and cut the connection. */
  readonly cut?: boolean;
}

/** What a status says where the body names the key and gives no reason. */
function wordOf(status: number): string {
  if (status === 200 || status === 201) return "success";
  if (status === 409) return "duplicate_key_ID";
  if ([408, 429, 502, 503, 504].includes(status)) return "busy";
  if (status === 507) return "storage_full";
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 404) return "unknown_module";
  if (status >= 400 && status < 500) return "invalid_message";
  return status >= 500 && status < 600 ? "internal_error" : "(unclear)";
}

/** An answer as a node takes it. @param keyId of the key it is about; undefined if it had none */
export function read({ status, headers, body }: HttpAnswer, keyId: string | undefined): Said {
  const answer = readMembers(body);
  const unclear = (why: string): Said => ({ word: "(unclear)", why, keyId: undefined });
  if (headers["content-encoding"] !== undefined) {
    return unclear(`status ${status}, compressed although that was not asked for`);
  }
  if (answer === undefined) return unclear(`status ${status}, and the body is no JSON object`);
  const id = typeof answer.key_ID === "string" ? answer.key_ID : undefined;
  if (id === undefined || (keyId !== undefined && id !== keyId)) {
    return unclear(`status ${status}, and the body has not the key's key_ID`);
  }
  const said = answer.response;
  const good = status === 200 || status === 201;
  const refusal = (refusals as readonly unknown[]).includes(said);
  if (said === "success" && !good) return unclear(`"success" with status ${status}`);
  const word = refusal || (good && said !== undefined) ? String(said) : wordOf(status);
  return { word, why: `answered status ${status}, ${quoted(word)}`, keyId: id };
}

export class HttpsClient {
  /** ms from each message to its answer. */
  readonly times: number[] = [];
  fault: string | undefined;
  readonly #target: Target;
  readonly #agent: Agent;

  /** @param connections at once; what is more waits */
  constructor(target: Target, connections = 1) {
    this.#target = target;
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
  }

  /** @returns undefined if the connection ended, or nothing came in time */
  post(body: Buffer, how: Post = {}): Promise<HttpAnswer | "(closed)" | "(silence)"> {
    const { method = "POST", headers = {}, chunked = false, cut = false } = how;
    const { path, answerMs } = this.#target;
    // The time counts from when it has a connection: others are in front of it.
    let timer: NodeJS.Timeout | undefined;
    return new Promise((resolve) => {
      const asking = request({
        ...tlsOptions(this.#target),
        agent: this.#agent,
        path,
        method,
        headers: {
          "content-type": "application/json",
          ...(chunked ? {} : { "content-length": String(body.length) }),
          ...headers,
        },
      });
      const begun = performance.now();
      const settle = (answer: HttpAnswer | "(closed)" | "(silence)") => {
        clearTimeout(timer);
        if (typeof answer === "object") this.times.push(performance.now() - begun);
        resolve(answer);
      };
      asking.once("socket", () => {
        timer = setTimeout(() => {
          settle("(silence)");
          asking.destroy();
        }, answerMs);
      });
      asking.once("error", () => settle("(closed)"));
      asking.once("response", (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.once("error", () => settle("(closed)"));
        response.once("end", () =>
          settle({
            status: response.statusCode ?? 0,
            headers: response.headers,
            body: Buffer.concat(chunks),
            reused: asking.reusedSocket,
          }),
        );
      });
      const half = body.length >> 1;
      if (cut) {
        asking.write(body.subarray(0, half), () => asking.destroy());
      } else if (chunked) {
        asking.write(body.subarray(0, half));
        asking.end(body.subarray(half));
      } else {
        asking.end(body);
      }
    });
  }

  async supply(body: Buffer): Promise<Said> {
    const named = readMembers(body)?.key_ID;
    const keyId = typeof named === "string" ? named : undefined;
    const headers =
      keyId === undefined || !/^[\x21-\x7e]+$/.test(keyId) ? {} : { "idempotency-key": keyId };
    const answer = await this.post(body, { headers });
    if (answer === "(closed)") {
      return { word: answer, why: "the connection ended before an answer", keyId: undefined };
    }
    if (answer === "(silence)") {
      const why = `no answer within ${this.#target.answerMs} ms`;
      return { word: answer, why, keyId: undefined };
    }
    return read(answer, keyId);
  }

  supplyAll(bodies: readonly Buffer[]): Promise<Said[]> {
    return Promise.all(bodies.map((body) => this.supply(body)));
  }

  close(): void {
    this.#agent.destroy();
  }
}
