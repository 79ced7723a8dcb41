/** Asks a KME by ETSI GS QKD 014 V1.1.1, in its dialect. */
import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Clock } from "../../src/base/clock.ts";
import { Fault } from "../../src/base/errors.ts";
import { retryAfterOf } from "../../src/host/http/retry-after.ts";
import { type CredentialFiles, readCredentials } from "../../src/host/tls/credentials.ts";
import { clientTls } from "../../src/host/tls/options.ts";
import { connectionReason } from "../../src/host/tls/reason.ts";
import { keyMemory, wipeMemory } from "../../src/port/key.ts";
import { base, member } from "../../src/wire/etsi014/names.ts";
import { readKeyContainer } from "../../src/wire/etsi014/read-container.ts";
import type { Dialect, Meaning } from "./dialects.ts";
import type { Asked, Kme, KmeKey, KmeStatus } from "./kme.ts";
import { readStatus } from "./kme-status.ts";

export interface KmeClientOptions {
  /** `https://host:port`, with the path before `/api` if there is one. */
  readonly url: string;
  /** The name that its certificate must carry. */
  readonly serverName: string;
  readonly files: CredentialFiles;
  /** SAE ID of the other end. */
  readonly partner: string;
  /** SAE ID of this end, for dialects that want it. */
  readonly own: string;
  readonly dialect: Dialect;
  /** Bits of a key; undefined: as the KME likes. */
  readonly keyBits: number | undefined;
  /** A request is over within this, ms. */
  readonly timeout: number;
  readonly clock: Clock;
}

/** Longest answer, bytes. */
const longestAnswer = 16 * 1024 * 1024;
/** So many requests of a kind in a row without an answer: the KME is away. */
const mostFailures = 3;
/** Certificates are read anew after this, ms. */
const renewEvery = 10_000;
/** A connection that was not used for so long is not trusted to be there any more, ms. */
const idleMs = 4_000;
/** What a KME may ask for at the most, ms: one slip of its clock or of a proxy must not end the supply of keys. */
const longestRetry = 60_000;

interface Answer {
  readonly status: number;
  readonly retryAfter: number | undefined;
  /** The caller wipes it. */
  readonly body: Buffer;
}

export class KmeClient implements Kme {
  readonly #options: KmeClientOptions;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 2, timeout: idleMs });
  /** By what was asked for: a KME may answer one and not another. */
  readonly #failures = new Map<string, number>();
  #tls: { readonly options: ReturnType<typeof clientTls>; readonly until: number } | undefined;
  /** Why there was no answer, the last time that there was none. */
  lastFailure = "another time";
  bytesReceived = 0;
  bytesSent = 0;
  requests = 0;
  answers = 0;

  constructor(options: KmeClientOptions) {
    this.#options = options;
  }

  close(): void {
    this.#agent.destroy();
  }

  async status(): Promise<KmeStatus | undefined> {
    const answer = await this.#ask("GET", "status");
    if (answer === undefined) return undefined;
    try {
      if (answer.status === 200) return readStatus(answer.body);
      if (this.#options.dialect.encMeans[answer.status] === "later") return undefined;
      throw this.#refused("status", answer.status);
    } finally {
      wipeMemory(answer.body);
    }
  }

  async take(number: number): Promise<Asked> {
    const { dialect, keyBits } = this.#options;
    const size = dialect.size && keyBits !== undefined ? { [member.size]: keyBits } : {};
    const wanted = { [member.number]: number, ...size };
    const query = Object.entries(wanted)
      .map(([name, value]) => `${name}=${value}`)
      .join("&");
    const answer =
      dialect.enc === "GET"
        ? await this.#ask("GET", `enc_keys?${query}`)
        : await this.#ask("POST", "enc_keys", wanted);
    const asked = this.#asked(answer, "enc_keys", dialect.encMeans);
    return asked.kind === "unknown" ? { kind: "later" } : asked;
  }

  async fetch(ids: readonly string[]): Promise<Asked> {
    const { dialect, own } = this.#options;
    const spelt = ids.map((id) => (dialect.upperCase ? id.toUpperCase() : id));
    if (dialect.dec === "POST" && ids.length <= dialect.idsAtOnce) {
      const beside = Object.fromEntries(dialect.idMembers.map((name) => [name, own]));
      const body = { [member.keyIds]: spelt.map((id) => ({ [member.keyId]: id, ...beside })) };
      return this.#asked(await this.#ask("POST", "dec_keys", body), "dec_keys", dialect.decMeans);
    }
    const keys: KmeKey[] = [];
    const most = dialect.dec === "GET" ? 1 : dialect.idsAtOnce;
    for (let at = 0; at < spelt.length; at += most) {
      const some = ids.slice(at, at + most);
      const asked = await this.#some(some, spelt[at] as string);
      if (asked.kind === "keys") keys.push(...asked.keys);
      else if (asked.kind !== "unknown") return keys.length > 0 ? { kind: "keys", keys } : asked;
    }
    return keys.length > 0 ? { kind: "keys", keys } : { kind: "unknown" };
  }

  async #some(ids: readonly string[], spelt: string): Promise<Asked> {
    const { dialect } = this.#options;
    if (dialect.dec === "POST") return this.fetch(ids);
    const answer = await this.#ask("GET", `dec_keys?${member.keyId}=${encodeURIComponent(spelt)}`);
    return this.#asked(answer, "dec_keys", dialect.decMeans);
  }

  #asked(
    answer: Answer | undefined,
    method: string,
    means: Readonly<Record<number, Meaning>>,
  ): Asked {
    if (answer === undefined) return { kind: "unanswered" };
    const { status, body, retryAfter } = answer;
    try {
      if (status === 200) {
        const facts = { kme: this.#options.url, request: method };
        const source = { code: "kme.answer", whose: "the KME's", facts } as const;
        return { kind: "keys", keys: readKeyContainer(body, source) };
      }
      const meaning = means[status];
      if (meaning === "unknown") return { kind: "unknown" };
      if (meaning !== "later") throw this.#refused(method, status);
      return retryAfter === undefined ? { kind: "later" } : { kind: "later", ms: retryAfter };
    } finally {
      wipeMemory(body);
    }
  }

  #refused(method: string, status: number): Fault {
    return new Fault("kme.refused", `the KME refuses ${method}`, {
      kme: this.#options.url,
      status,
    });
  }

  /** @returns undefined if there was no answer, or half of one @throws Fault `link.closed` after some of these */
  async #ask(method: "GET" | "POST", path: string, json?: object): Promise<Answer | undefined> {
    const [what = ""] = path.split("?");
    try {
      const answer = await this.#send(method, path, json);
      this.#failures.delete(what);
      return answer;
    } catch (error) {
      const why = error instanceof Fault ? error.message : connectionReason(error, "KME");
      this.lastFailure = why;
      const failures = (this.#failures.get(what) ?? 0) + 1;
      this.#failures.set(what, failures);
      if (failures < mostFailures) return undefined;
      const facts = { kme: this.#options.url, request: what };
      throw new Fault("link.closed", `the KME is away: ${why}`, facts);
    }
  }

  #send(method: "GET" | "POST", path: string, json: object | undefined): Promise<Answer> {
    const { url, partner, clock, timeout } = this.#options;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const body = json === undefined ? undefined : Buffer.from(JSON.stringify(json));
    const at = new URL(`${url.replace(/\/$/, "")}${base}${encodeURIComponent(partner)}/${path}`);
    const headers = {
      accept: "application/json",
      ...(body && { "content-type": "application/json", "content-length": body.length }),
    };
    const asked = request(at, { ...this.#tlsOf(), agent: this.#agent, method, headers });
    const timer = clock.after(timeout, () => asked.destroy(new Error("no answer in time")));
    asked.once("error", reject);
    asked.once("close", () => {
      timer.cancel();
      reject(new Error("the connection was closed"));
    });
    asked.once("response", (response) => {
      const header = response.headers["retry-after"];
      const retryAfter = retryAfterOf(header, clock.wall(), { most: longestRetry });
      readBody(response, (whole) => {
        this.answers++;
        this.bytesReceived += whole.length;
        resolve({ status: response.statusCode ?? 0, retryAfter, body: whole });
      });
    });
    this.requests++;
    this.bytesSent += body?.length ?? 0;
    asked.end(body);
    return promise;
  }

  #tlsOf(): ReturnType<typeof clientTls> {
    const { files, serverName, clock } = this.#options;
    const now = clock.now();
    if (this.#tls === undefined || now >= this.#tls.until) {
      const texts = readCredentials(files, "link.open");
      const options = clientTls(texts, serverName, () => clock.wall());
      this.#tls = { options, until: now + renewEvery };
    }
    return this.#tls.options;
  }
}

/** Pieces are gathered in one place: what is copied and left is wiped. One that is cut never ends. */
function readBody(response: IncomingMessage, done: (body: Buffer) => void): void {
  const said = Number(response.headers["content-length"]);
  let body = keyMemory(Math.min(longestAnswer, said > 0 ? said : 8_192));
  let length = 0;
  response.on("data", (chunk: Buffer) => {
    const wanted = length + chunk.length;
    if (wanted > longestAnswer) return void response.destroy();
    if (wanted > body.length) {
      const larger = keyMemory(Math.min(longestAnswer, 2 * wanted));
      body.copy(larger, 0, 0, length);
      wipeMemory(body);
      body = larger;
    }
    chunk.copy(body, length);
    length = wanted;
    chunk.fill(0);
  });
  response.once("end", () => {
    if (response.complete) done(body.subarray(0, length));
  });
  response.once("error", () => {});
  response.once("close", () => {
    if (!response.complete) wipeMemory(body);
  });
}
