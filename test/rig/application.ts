/** An application that asks its KM for keys by ETSI GS QKD 014: Node's own HTTPS, connections kept open. */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import type { KmOfPair, PairApplication } from "./km-pair.ts";

/** A KM that is elsewhere. */
export interface KmElsewhere {
  readonly url: string;
  /** In its certificate. */
  readonly serverName: string;
}

export interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  /** undefined for an answer without a body. */
  readonly body: unknown;
}

/** A key as a test may know it: by a digest. */
export interface HeldKey {
  readonly id: string;
  /** SHA-256 over its bytes, hexadecimal. */
  readonly digest: string;
  readonly bits: number;
}

export class ApplicationClient {
  readonly sae: string;
  readonly #agent: Agent;
  readonly #url: string;

  /** @param sockets connections at most */
  constructor(
    km: (Pick<KmOfPair, "url"> & { readonly end: string }) | KmElsewhere,
    application: Omit<PairApplication, "pskFile">,
    sockets = 4,
  ) {
    this.sae = application.saeId;
    this.#url = km.url;
    const [ca, cert, key] = [application.ca, application.cert, application.key].map((file) =>
      readFileSync(file, "utf8"),
    );
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: sockets,
      ca,
      cert,
      key,
      servername: "serverName" in km ? km.serverName : `km-${km.end}`,
    } as ConstructorParameters<typeof Agent>[0]);
  }

  /** @param path from `/` on; @param body an object for JSON, or text as it is */
  ask(path: string, body?: object | string, more: RequestOptions = {}): Promise<Reply> {
    const text = typeof body === "object" ? JSON.stringify(body) : body;
    const { promise, resolve, reject } = Promise.withResolvers<Reply>();
    const headers = { ...more.headers, ...(text && { "content-type": "application/json" }) };
    const method = more.method ?? (text === undefined ? "GET" : "POST");
    const options = { ...more, agent: this.#agent, method, headers, timeout: 20_000 };
    const asked = request(new URL(path, this.#url), options, (response) => {
      readReply(response, resolve, reject);
    });
    asked.on("timeout", () => asked.destroy(new Error("no answer")));
    asked.on("error", reject);
    asked.end(text);
    return promise;
  }

  /** @param size bits; default: the KM's */
  encKeys(slave: string, number = 1, size?: number): Promise<Reply> {
    return this.ask(`/api/v1/keys/${slave}/enc_keys`, { number, ...(size && { size }) });
  }

  decKeys(master: string, ids: readonly string[]): Promise<Reply> {
    const key_IDs = ids.map((key_ID) => ({ key_ID }));
    return this.ask(`/api/v1/keys/${master}/dec_keys`, { key_IDs });
  }

  /** A session in which the other is brought the keys. */
  createSession(slave: string): Promise<Reply> {
    return this.ask(`/api/v1/sessions/${slave}`, "");
  }

  encKeysIn(session: string, slave: string, number = 1): Promise<Reply> {
    const extension_mandatory = [{ session_ID: session }];
    return this.ask(`/api/v1/keys/${slave}/enc_keys`, { number, extension_mandatory });
  }

  /** The next notice, if there is one. */
  notice(waitS = 15): Promise<Reply> {
    return this.ask(`/api/v1/notices?wait_s=${waitS}`);
  }

  /** Takes part in a session, or says which keys came. */
  answerNotice(id: string, answer: object): Promise<Reply> {
    return this.ask(`/api/v1/notices/${id}`, answer);
  }

  status(slave: string): Promise<Reply> {
    return this.ask(`/api/v1/keys/${slave}/status`);
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** Keys of an answer, by digests: nothing that a test prints has a key in it. */
export function heldKeys({ body }: Reply): HeldKey[] {
  const { keys = [] } = (body ?? {}) as { keys?: { key_ID: string; key: string }[] };
  return keys.map(({ key_ID: id, key }) => {
    const bytes = Buffer.from(key, "base64");
    return { id, digest: hash("sha256", bytes, "hex"), bits: bytes.length * 8 };
  });
}

/** One GET, with an application's certificate from files. */
export async function askKm(
  url: string,
  { ca, cert, key }: { readonly ca: string; readonly cert: string; readonly key: string },
): Promise<Reply> {
  const files = { ca, cert, key };
  const { promise, resolve, reject } = Promise.withResolvers<Reply>();
  const texts = Object.fromEntries(
    Object.entries(files).map(([name, file]) => [name, readFileSync(file, "utf8")]),
  );
  const asked = request(url, { ...texts, agent: false, timeout: 20_000 }, (response) => {
    readReply(response, resolve, reject);
  });
  asked.on("error", reject);
  asked.end();
  return promise;
}

function readReply(
  response: IncomingMessage,
  resolve: (reply: Reply) => void,
  reject: (error: Error) => void,
): void {
  const chunks: Buffer[] = [];
  response.on("data", (chunk) => chunks.push(chunk));
  response.on("error", reject);
  response.on("end", () => {
    const all = Buffer.concat(chunks).toString();
    const { statusCode: status = 0, headers } = response;
    resolve({ status, headers, body: all === "" ? undefined : JSON.parse(all) });
  });
}
