/** What a case of the KME's suite works with: applications that ask, and what must be said to them. */
import { hash } from "node:crypto";
import type { ConnectionOptions } from "node:tls";
import { pause } from "../km/kit.ts";
import { Broken } from "../run.ts";
import { type DialectId, dialects } from "./dialects.ts";
import { type Answer, Connection } from "./http.ts";
import type { Credentials, Door, Sae, Target } from "./target.ts";

/** A key as the suite knows it: by a digest, so that nothing it prints has one in it. */
export interface HeldKey {
  readonly id: string;
  /** SHA-256 over its bytes, hexadecimal. */
  readonly digest: string;
  readonly bits: number;
}

export interface Ask {
  /** Default: GET without a body, POST with one. */
  readonly method?: string;
  /** An object for JSON, or bytes or text as it is. */
  readonly body?: object | Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

export type Method = "status" | "enc_keys" | "dec_keys";

/** Texts that the standard fixes. */
export const text = {
  size: "size shall be a multiple of 8",
  mandatory: "not all extension_mandatory parameters are supported",
  notFound: "one or more keys specified are not found on KME",
} as const;

const uuid = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/i;
const base64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
/** An answer "later" is taken for so long, ms. */
const patienceMs = 30_000;

export class Kit {
  readonly target: Target;
  readonly note: (text: string) => void;
  readonly #open = new Map<Sae, Connection>();
  readonly #others: Connection[] = [];

  constructor(target: Target, note: (text: string) => void) {
    this.target = target;
    this.note = note;
  }

  get master(): Sae {
    return this.target.master;
  }

  get slave(): Sae {
    return this.target.slave;
  }

  /** Of a case that `needs` it. */
  get third(): Sae {
    if (this.target.third === undefined) throw new Error("a case that needs a third SAE says so");
    return this.target.third;
  }

  /** @param more of the path: a query */
  path(sae: Sae, other: string, method: Method, more = ""): string {
    return `${sae.door.prefix}/api/v1/keys/${encodeURIComponent(other)}/${method}${more}`;
  }

  /** A connection of its own, closed when the case ends. @param who undefined: without a certificate */
  async connect(
    door: Door,
    who: Credentials | undefined,
    more?: ConnectionOptions,
  ): Promise<Connection> {
    const one = await Connection.open(door, who, this.target.answerMs, more);
    this.#others.push(one);
    return one;
  }

  /** Asks over the connection that this SAE has open. @throws Broken if there is no answer */
  async ask(sae: Sae, path: string, ask: Ask = {}): Promise<Answer> {
    let open = this.#open.get(sae);
    if (open === undefined || !open.isOpen) {
      open?.close();
      open = await Connection.open(sae.door, sae, this.target.answerMs);
      this.#open.set(sae, open);
    }
    open.send(requestOf(sae.door, path, ask));
    return open.answer(
      `${ask.method ?? (ask.body === undefined ? "GET" : "POST")} ${path.slice(0, 120)}`,
    );
  }

  /** As {@link ask}, again while the answer is "later". */
  async patient(sae: Sae, path: string, ask?: Ask): Promise<Answer> {
    const until = performance.now() + patienceMs;
    for (;;) {
      const answer = await this.ask(sae, path, ask);
      const later = answer.status === 503 || answer.status === 429;
      if (!later || performance.now() > until) return answer;
      const after = Number(answer.headers["retry-after"]);
      await pause(Math.max(200, Math.min(5, Number.isNaN(after) ? 1 : after) * 1_000));
    }
  }

  /** "Get key" by POST. */
  enc(sae: Sae, other: Sae, request: object = {}): Promise<Answer> {
    return this.patient(sae, this.path(sae, other.id, "enc_keys"), { body: request });
  }

  /** "Get key with key IDs" by POST. */
  dec(sae: Sae, other: Sae, ids: readonly string[]): Promise<Answer> {
    const body = { key_IDs: ids.map((key_ID) => ({ key_ID })) };
    return this.patient(sae, this.path(sae, other.id, "dec_keys"), { body });
  }

  /** Keys that the master is given for the slave. @throws Broken */
  async given(number = 1, more: object = {}): Promise<HeldKey[]> {
    const answer = await this.enc(this.master, this.slave, { number, ...more });
    return this.keys(answer, "enc_keys", number);
  }

  /** The slave gets exactly these from the master. @throws Broken */
  async fetched(keys: readonly HeldKey[], what: string, sae = this.slave, master = this.master) {
    const ids = keys.map(({ id }) => id);
    same(this.keys(await this.dec(sae, master, ids), what), keys, what);
  }

  /** @throws Broken if the answer is no status */
  async status(sae: Sae, other: Sae): Promise<Record<string, unknown>> {
    const answer = await this.patient(sae, this.path(sae, other.id, "status"));
    if (answer.status !== 200) throw new Broken(`status: ${said(answer)}, not 200`);
    return this.object(answer, "status");
  }

  /** A limit that the KME's Status tells. @throws Broken */
  async limit(name: string): Promise<number> {
    const value = (await this.status(this.master, this.slave))[name];
    if (typeof value !== "number") throw new Broken(`status: ${name} is no number`);
    return value;
  }

  /** Keys of a Key container. @throws Broken if it is none, or has another number of them */
  keys(answer: Answer, what: string, number?: number, bits?: number): HeldKey[] {
    if (answer.status !== 200) throw new Broken(`${what}: ${said(answer)}, not 200`);
    const { keys } = this.object(answer, what);
    if (!Array.isArray(keys)) throw new Broken(`${what}: keys is no array`);
    const held = keys.map((one) => heldKey(one, what));
    if (number !== undefined && held.length !== number) {
      throw new Broken(`${what}: ${held.length} keys, not ${number}`);
    }
    if (bits !== undefined && held.some((one) => one.bits !== bits)) {
      throw new Broken(`${what}: a key of ${held[0]?.bits} bits, not ${bits}`);
    }
    if (new Set(held.map(({ id }) => id.toLowerCase())).size < held.length) {
      throw new Broken(`${what}: a key_ID is there twice`);
    }
    return held;
  }

  /** A body that is a JSON object. @throws Broken */
  object(answer: Answer, what: string): Record<string, unknown> {
    if (!/^application\/json\b/i.test(answer.headers["content-type"] ?? "")) {
      this.deviates("own-type", `${what}: Content-Type is not application/json`);
    }
    const value = objectOf(answer.body);
    if (value === undefined) throw new Broken(`${what}: the body is no JSON object`);
    return value;
  }

  /**
   * The KME refuses what is not as it should be.
   * @param fixed the text that the standard fixes
   */
  bad(answer: Answer, what: string, fixed?: string): void {
    const { status } = answer;
    if (status === 422) this.deviates("422-for-400", `${what}: answered 422`);
    else if (fixed === text.notFound && [401, 404, 410].includes(status)) {
      this.deviates("404-for-unknown-key", `${what}: answered ${status}`);
    } else if (status !== 400) throw new Broken(`${what}: ${said(answer)}, not 400`);
    if (status !== 401) this.message(answer, what, fixed);
  }

  /** The body of an error. */
  message(answer: Answer, what: string, fixed?: string): void {
    const message = objectOf(answer.body)?.message;
    if (typeof message !== "string" || message === "") {
      this.deviates("own-errors", `${what}: status ${answer.status} without a message`);
    } else if (fixed !== undefined && message !== fixed) {
      this.deviates("own-texts", `${what}: the message is not ${JSON.stringify(fixed)}`);
    }
  }

  /** The KME gives nothing to who may not have it, and says no more. */
  unauthorized(answer: Answer, what: string): void {
    if ([400, 403, 404].includes(answer.status)) {
      this.deviates("other-than-401", `${what}: answered ${answer.status}`);
    } else if (answer.status !== 401) throw new Broken(`${what}: ${said(answer)}, not 401`);
    else if (answer.body.length > 0) this.deviates("401-with-body", `${what}: 401 has a body`);
  }

  /** The answer is an error of the client's of one of these. */
  is(answer: Answer, wanted: readonly number[], what: string): void {
    if (wanted.includes(answer.status)) return;
    throw new Broken(`${what}: ${said(answer)}, not ${wanted.join(" or ")}`);
  }

  /** @throws Broken unless the dialect is tolerated */
  deviates(id: DialectId, what: string): void {
    if (!this.target.tolerated.has(id)) {
      throw new Broken(`${what} (${dialects.find((one) => one.id === id)?.standard})`);
    }
    this.note(`${what}: tolerated as ${id}`);
  }

  /** The KME serves a new connection. */
  async alive(what: string): Promise<void> {
    const { door } = this.master;
    const one = await this.connect(door, this.master);
    one.send(requestOf(door, this.path(this.master, this.slave.id, "status"), {}));
    const answer = await one.answer(`status ${what}`);
    if (answer.status !== 200) throw new Broken(`status ${what}: ${said(answer)}`);
  }

  end(): void {
    for (const one of [...this.#open.values(), ...this.#others]) one.close();
  }
}

/** @throws Broken unless both are the same keys, in any order */
export function same(keys: readonly HeldKey[], others: readonly HeldKey[], what: string): void {
  const list = (of: readonly HeldKey[]) =>
    of.map(({ id, digest }) => `${id.toLowerCase()} ${digest}`).toSorted();
  const [one, other] = [list(keys), list(others)];
  if (one.length !== other.length) {
    throw new Broken(`${what}: ${keys.length} keys, not ${others.length}`);
  }
  if (one.some((line, i) => line !== other[i]))
    throw new Broken(`${what}: the keys are not the same`);
}

/** Bytes of a request over HTTP/1.1. */
export function requestOf({ host, port, serverName }: Door, path: string, ask: Ask): Buffer {
  const { body, headers = {} } = ask;
  const bytes = body === undefined ? undefined : bytesOf(body);
  const method = ask.method ?? (bytes === undefined ? "GET" : "POST");
  const lines = [
    `${method} ${path} HTTP/1.1`,
    `Host: ${serverName || host}:${port}`,
    "Accept: application/json",
    ...(bytes === undefined ? [] : [`Content-Length: ${bytes.length}`]),
    ...(bytes === undefined || "Content-Type" in headers ? [] : ["Content-Type: application/json"]),
    ...Object.entries(headers)
      .filter(([, value]) => value !== "")
      .map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${lines.join("\r\n")}\r\n\r\n`), bytes ?? Buffer.alloc(0)]);
}

function bytesOf(body: object | Buffer | string): Buffer {
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === "string" ? body : JSON.stringify(body));
}

/** What an answer was, for a person. */
export function said({ status, body }: Answer): string {
  // A success may have a key in it.
  const message = status < 300 ? undefined : objectOf(body)?.message;
  const words = typeof message === "string" ? ` (${JSON.stringify(message.slice(0, 100))})` : "";
  return `answered ${status}${words}`;
}

function objectOf(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
    return value as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function heldKey(one: unknown, what: string): HeldKey {
  const { key_ID: id, key } = (one ?? {}) as { key_ID?: unknown; key?: unknown };
  if (typeof id !== "string" || !uuid.test(id)) throw new Broken(`${what}: a key_ID is no UUID`);
  if (typeof key !== "string" || key === "" || !base64.test(key)) {
    throw new Broken(`${what}: a key is not base64 with its padding`);
  }
  const bytes = Buffer.from(key, "base64");
  if (bytes.toString("base64") !== key) throw new Broken(`${what}: spare bits of base64 are set`);
  return { id, digest: hash("sha256", bytes, "hex"), bits: bytes.length * 8 };
}
