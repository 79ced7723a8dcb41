/**
 * Two KMEs as somebody may write them in an afternoon, with the mistakes that such KMEs have. Without one they pass
 * the suite; with one, the case that looks for it must find it. Keys are random, in memory, of no use to anybody.
 */
import { randomBytes, randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { gunzipSync, gzipSync } from "node:zlib";
import { text } from "./kit.ts";
import type { Mistake } from "./mistakes.ts";
import type { KmePki } from "./rig.ts";

interface Held {
  readonly bytes: Buffer;
  readonly master: string;
  readonly slaves: readonly string[];
  /** Slaves that have not fetched it yet. */
  readonly waiting: Set<string>;
}

/** An answer that is none of success. */
class Refusal extends Error {
  readonly status: number;
  constructor(status: number, message = "") {
    super(message);
    this.status = status;
  }
}

/** Which SAE is at which of both. */
const homes: Readonly<Record<string, 0 | 1>> = { master: 0, slave: 1, third: 1 };
const limits = { least: 64, usual: 256, most: 4_096, number: 64, saes: 3 };
const longest = 1_048_576;

export class CrookedKmes {
  readonly #mistake: Mistake | undefined;
  readonly #servers: readonly Server[];
  readonly #keys = new Map<string, Held>();
  readonly #racing: (() => void)[] = [];
  readonly #answered = new WeakMap<Socket, number>();

  constructor({ ca, kme }: KmePki, mistake?: Mistake) {
    this.#mistake = mistake;
    const trusting = mistake === "any certificate" || mistake === "anybody";
    const tls = { ...kme, ca: ca.cert, requestCert: true, rejectUnauthorized: !trusting };
    this.#servers = ([0, 1] as const).map((home) =>
      createServer(tls, (request, response) => void this.#serve(home, request, response)),
    );
  }

  /** @returns the ports of the master's and of the slave's KME */
  async listen(): Promise<[number, number]> {
    for (const server of this.#servers) {
      await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    }
    const [one, other] = this.#servers.map((server) => (server.address() as AddressInfo).port);
    return [one as number, other as number];
  }

  close(): void {
    for (const server of this.#servers) {
      server.close();
      server.closeAllConnections();
    }
  }

  #is(mistake: Mistake): boolean {
    return this.#mistake === mistake;
  }

  async #serve(home: 0 | 1, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const send = (status: number, body?: object, more: Record<string, string> = {}) => {
      const json = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
      const type = json && { "content-type": "application/json" };
      const store = !this.#is("keys for caches") && { "cache-control": "no-store" };
      const zip = this.#is("compresses") && json && { "content-encoding": "gzip" };
      response.writeHead(status, { ...type, ...store, ...zip, ...more });
      response.end(zip && json ? gzipSync(json) : json);
      const { socket } = request;
      // It may be gone by then.
      if (!socket) return;
      const answers = (this.#answered.get(socket) ?? 0) + 1;
      this.#answered.set(socket, answers);
      if (this.#is("closes") && answers === 3) response.once("finish", () => socket.destroy());
    };
    try {
      send(200, await this.#answer(home, request));
    } catch (error) {
      if (!(error instanceof Refusal)) return send(500, { message: "internal error" });
      const { status, message } = error;
      const allow = status === 405 && !this.#is("no Allow") && { allow: "GET, POST" };
      const body = status === 401 && !this.#is("401 with reasons") ? undefined : { message };
      send(status, body, { ...allow });
    }
  }

  async #answer(home: 0 | 1, request: IncomingMessage): Promise<object> {
    const caller = this.#caller(home, request);
    const [path = "", query = ""] = (request.url ?? "").replace(/^https:..[^/]*/, "").split("?");
    const found = /^\/api\/v1\/keys\/([^/]+)\/(status|enc_keys|dec_keys)$/.exec(path);
    if (found === null && this.#is("any path")) return this.#status(caller, "slave");
    const [, written = "", method] = found ?? [];
    if (method === undefined) throw new Refusal(404, "no such path");
    const other = this.#is("raw paths") ? written : decoded(written);
    const isPost = request.method === "POST";
    if (!isPost && request.method !== "GET" && !this.#is("any method")) throw new Refusal(405);
    if (method === "status") {
      if (isPost && !this.#is("status by POST")) throw new Refusal(405);
      return this.#status(caller, this.#partner(caller, other));
    }
    if (!isPost && this.#is("POST only")) throw new Refusal(405);
    const params = Object.fromEntries(new URLSearchParams(query));
    const members = isPost ? await this.#body(request, method) : membersOf(params);
    if (method === "enc_keys") return this.#enc(caller, other, members);
    return this.#dec(caller, other, members, isPost);
  }

  #caller(home: 0 | 1, { socket }: IncomingMessage): string {
    const name = (socket as TLSSocket).getPeerCertificate().subject?.CN;
    if (name === undefined && this.#is("anybody")) return "master";
    if (this.#is("serves strangers") && name === "stranger") return "master";
    const known = typeof name === "string" && name in homes;
    if (!known || (homes[name] !== home && !this.#is("SAEs of others"))) {
      throw new Refusal(401, "unknown SAE");
    }
    return name;
  }

  /** @throws Refusal if both may share no keys */
  #partner(caller: string, other: string): string {
    if (this.#is("any SAE")) return other;
    if (!(other in homes)) throw new Refusal(401, `there is no ${other}`);
    if (homes[other] === homes[caller] && !this.#is("keys for itself"))
      throw new Refusal(401, "no");
    return other;
  }

  #status(caller: string, slave: string): object {
    const kmes = ["kme-0", "kme-1"];
    const home = this.#is("one view of both") ? 0 : (homes[caller] ?? 0);
    const counts = {
      key_size: limits.usual,
      stored_key_count: 1_000,
      max_key_count: this.#is("more than fits") ? 10 : 10_000,
      max_key_per_request: limits.number,
      max_key_size: limits.most,
      min_key_size: this.#is("sizes in bytes") ? 512 : limits.least,
      ...(!this.#is("no max_SAE_ID_count") && { max_SAE_ID_count: limits.saes }),
    };
    const texts = Object.entries(counts).map(([name, value]) => [name, String(value)]);
    return {
      source_KME_ID: kmes[home],
      target_KME_ID: kmes[1 - home],
      master_SAE_ID: this.#is("SAEs swapped") ? slave : caller,
      slave_SAE_ID: this.#is("SAEs swapped") ? caller : slave,
      ...(this.#is("numbers as texts") ? Object.fromEntries(texts) : counts),
    };
  }

  async #body(request: IncomingMessage, method: string): Promise<Record<string, unknown>> {
    const { headers } = request;
    const isNone =
      headers["content-length"] === undefined && headers["transfer-encoding"] === undefined;
    if (isNone && this.#is("needs a length")) throw new Refusal(411, "no length");
    const chunks: Buffer[] = [];
    let length = 0;
    for await (const chunk of request.on("error", () => {})) {
      chunks.push(chunk as Buffer);
      length += (chunk as Buffer).length;
      if (this.#is("acts early") && method === "dec_keys") {
        const [id] = /[0-9a-f-]{36}/.exec(String(chunk)) ?? [];
        this.#keys.delete(id ?? "");
      }
      if (length > longest && !this.#is("any length")) throw new Refusal(413, "too long");
    }
    let body = Buffer.concat(chunks);
    if (headers["content-encoding"] === "gzip") {
      if (this.#is("knows no encodings")) return {};
      body = gunzipSync(body);
    }
    const encoding = this.#is("any bytes") ? "latin1" : "utf-8";
    return this.#members(body, encoding);
  }

  #members(body: Buffer, encoding: string): Record<string, unknown> {
    let value: unknown;
    let json: string;
    try {
      json = new TextDecoder(encoding, { fatal: true }).decode(body);
      if (json.trim() === "" && !this.#is("needs a body")) return {};
      value = JSON.parse(json);
    } catch {
      if (this.#is("falls over nonsense")) throw new Error("nonsense");
      if (this.#is("nonsense is nothing")) return {};
      throw new Refusal(400, "no JSON");
    }
    if (typeof value !== "object" || value === null || Array.isArray(value)) {
      if (this.#is("any JSON")) return {};
      throw new Refusal(400, "no object");
    }
    const twice = /"(?:n|\\u006e)umber".*"(?:n|\\u006e)umber"|\{"key_ID"[^}]*"key_ID"/.test(json);
    if (twice && !this.#is("the last counts")) throw new Refusal(400, "a member is there twice");
    const members = Object.entries(value);
    const isNull = members.some(([, one]) => one === null);
    if (isNull && this.#is("null is a value")) throw new Refusal(400, "null");
    const known = /^(number|size|additional_slave_SAE_IDs|extension_\w+|key_IDs(_extension)?)$/;
    if (this.#is("known members only") && members.some(([name]) => !known.test(name))) {
      throw new Refusal(400, "an unknown member");
    }
    return Object.fromEntries(members.filter(([, one]) => one !== null));
  }

  #enc(caller: string, other: string, members: Record<string, unknown>): object {
    const { number = 1, size = limits.usual, additional_slave_SAE_IDs: more = [] } = members;
    const count = this.#number(number, limits.number);
    if (typeof size !== "number" || !Number.isSafeInteger(size) || size < limits.least) {
      throw new Refusal(400, "size");
    }
    if (size % 8 !== 0 && !this.#is("any size")) {
      throw new Refusal(400, this.#is("own words") ? "wrong size" : text.size);
    }
    if (size > limits.most) throw new Refusal(400, "size");
    if (
      !Array.isArray(more) ||
      more.some((one) => typeof one !== "string") ||
      more.length > limits.saes
    ) {
      throw new Refusal(400, "additional_slave_SAE_IDs");
    }
    const slaves = [other, ...(this.#is("one slave only") ? [] : more)];
    for (const slave of slaves) this.#partner(caller, slave);
    if (this.#is("one direction") && caller === "slave") throw new Refusal(401);
    this.#extensions(members);
    const keys = Array.from({ length: count }, () => {
      const id = this.#is("numbers as IDs") ? String(this.#keys.size) : randomUUID();
      const bytes = randomBytes(size >> 3);
      if (this.#is("the same key")) bytes.fill(7);
      this.#keys.set(id, { bytes, master: caller, slaves, waiting: new Set(slaves) });
      return this.#written(id, bytes);
    });
    return { keys };
  }

  #number(number: unknown, most: number): number {
    if (typeof number !== "number" || !Number.isSafeInteger(number) || number < 1) {
      if (this.#is("any number is one")) return 1;
      throw new Refusal(400, "number");
    }
    if (number <= most) return number;
    if (this.#is("fewer keys")) return most;
    throw new Refusal(400, "number");
  }

  #extensions(members: Record<string, unknown>): void {
    for (const name of ["extension_mandatory", "extension_optional"]) {
      const list = members[name] ?? [];
      const isObject = (one: unknown) =>
        typeof one === "object" && one !== null && !Array.isArray(one);
      if (!Array.isArray(list) || !list.every(isObject)) {
        if (this.#is("any extensions")) continue;
        throw new Refusal(400, name);
      }
      if (list.length === 0) continue;
      if (name === "extension_mandatory" && !this.#is("mandatory is optional")) {
        throw new Refusal(400, text.mandatory);
      }
      if (name === "extension_optional" && this.#is("optional is mandatory")) {
        throw new Refusal(400, text.mandatory);
      }
    }
  }

  #written(id: string, bytes: Buffer): object {
    let key = bytes.toString(this.#is("base64url") ? "base64url" : "base64");
    if (this.#is("no padding")) key = key.replace(/=+$/, "");
    return { key_ID: this.#is("an ID for each end") ? randomUUID() : id, key };
  }

  async #dec(
    caller: string,
    master: string,
    members: Record<string, unknown>,
    isPost: boolean,
  ): Promise<object> {
    if (!this.#is("any master")) this.#partner(caller, master);
    const list = isPost ? members.key_IDs : [{ key_ID: members.key_ID }];
    if (!Array.isArray(list) || list.length === 0) throw new Refusal(400, "key_IDs");
    if (list.length > limits.number) throw new Refusal(400, "many");
    const ids = list.map((one: { key_ID?: unknown } | null) => {
      const members = Object.keys(Object(one)).filter(
        (name) => !/^key_ID(_extension)?$/.test(name),
      );
      if (this.#is("known members of elements") && members.length > 0) throw new Refusal(400, "?");
      const id = typeof one === "object" && one !== null ? one.key_ID : undefined;
      if (typeof id !== "string" || !/^[0-9a-f-]{36}$/i.test(id)) throw new Refusal(400, "key_ID");
      return this.#is("IDs by their letters") ? id : id.toLowerCase();
    });
    if (new Set(ids).size < ids.length) throw new Refusal(400, "twice");
    return this.#take(caller, master, this.#is("the first ID only") ? ids.slice(0, 1) : ids);
  }

  async #take(caller: string, master: string, ids: readonly string[]): Promise<object> {
    const held = ids.map((id) => this.#keys.get(id));
    const isFor = (key: Held | undefined) =>
      (key?.master === master || this.#is("any master")) && (key?.waiting.has(caller) ?? false);
    const given = ids.filter((_, i) => isFor(held[i]));
    if (this.#is("races")) await this.#raced();
    const take = (some: readonly string[]) => {
      for (const id of some)
        if (!this.#is("gives again")) this.#keys.get(id)?.waiting.delete(caller);
    };
    if (given.length < ids.length) {
      if (this.#is("takes before it checks")) for (const id of ids) this.#keys.delete(id);
      if (this.#is("takes those that there are")) take(given);
      const who = held.every((key) => key !== undefined && !key.slaves.includes(caller));
      if (this.#is("keys of others") && who) return this.#keysOf(ids);
      if (this.#is("gives those that there are") && given.length > 0) {
        take(given);
        return this.#keysOf(given);
      }
      throw who ? new Refusal(401) : new Refusal(400, text.notFound);
    }
    take(ids);
    return this.#keysOf(ids);
  }

  /** Resolves once four are between looking for a key and taking it. */
  #raced(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#racing.push(resolve);
    if (this.#racing.length >= 4) for (const go of this.#racing.splice(0)) go();
    return promise;
  }

  #keysOf(ids: readonly string[]): object {
    const keys = ids.map((id) => {
      const bytes = Buffer.from(this.#keys.get(id)?.bytes ?? []);
      if (this.#is("another key")) bytes[0] = (bytes[0] as number) ^ 1;
      return this.#written(id, bytes);
    });
    return { keys };
  }
}

function decoded(written: string): string {
  try {
    return decodeURIComponent(written);
  } catch {
    throw new Refusal(400, "no percent-encoding");
  }
}

function membersOf(params: Readonly<Record<string, string>>): Record<string, unknown> {
  const number = (value: string) => (/^\d+$/.test(value) ? Number(value) : value);
  return Object.fromEntries(
    Object.entries(params).map(([name, value]) => [
      name,
      name === "key_ID" ? value : number(value),
    ]),
  );
}
