/**
 * A KM as somebody may write it in an afternoon, with the mistakes that such KMs have: each is a switch.
 * Without one it passes the suite; with one, the case that looks for it must find it.
 */
import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttps } from "node:https";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTls } from "node:tls";
import type { Pki } from "./rig.ts";
import type { Binding } from "./target.ts";

interface Held {
  readonly bits: number;
  readonly bytes: Buffer;
  readonly time: unknown;
}

interface Answer {
  response: string;
  key_ID?: string | undefined;
}

interface Message {
  readonly [name: string]: unknown;
}

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const stamp = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

/** What can be wrong with it. */
export interface Mistakes {
  /** Of the store. */
  readonly store?:
    | "forgets"
    | "refuses repeats"
    | "takes conflicts"
    | "overwrites"
    | "compares lengths only"
    | "compares the first 16 bytes"
    | "compares times"
    | "stores before it checks"
    | "stores late"
    | "forgets at restart";
  /** Of what it checks. */
  readonly check?:
    | "no hash"
    | "needs a hash"
    | "needs a time"
    | "needs a QBER"
    | "times of this century only"
    | "length in bytes"
    | "whole bytes only"
    | "any base64"
    | "no padding"
    | "empty keys"
    | "no ID"
    | "known members only"
    | "32 KiB";
  /** Of what it says. */
  readonly says?:
    | "OK"
    | "no key_ID"
    | "another key_ID"
    | "an own word for modules"
    | "everything twice"
    | "nothing to refusals"
    | "status only"
    | "compressed"
    | "success with 500";
  /** Of how it reads a stream. */
  readonly frames?:
    | "a chunk is a message"
    | "one message a chunk"
    | "16 bit MessageID"
    | "signed MessageID"
    | "counts MessageIDs"
    | "one connection waits for another"
    | "falls over nonsense"
    | "hangs up when asked much"
    | "keeps connections open";
  /** Of TLS. */
  readonly tls?: "anybody" | "any certificate" | "TLS 1.2" | "20 connections";
  /** Of HTTP. */
  readonly http?: "any method" | "closes" | "half a body";
}

export class CrookedKm {
  readonly #pki: Pki;
  readonly #binding: Binding;
  readonly #wrong: Mistakes;
  readonly #sockets = new Set<Socket>();
  /** Confirmed, and not stored: the last hundred. */
  readonly #late: [string, Held][] = [];
  #held = new Map<string, Held>();
  #server: Server | undefined;
  #port = 0;
  #reading: Socket | undefined;

  constructor(pki: Pki, binding: Binding, wrong: Mistakes) {
    this.#pki = pki;
    this.#binding = binding;
    this.#wrong = wrong;
  }

  async listen(): Promise<number> {
    const { km, ca } = this.#pki;
    const { tls } = this.#wrong;
    const options = {
      ...km,
      ca: ca.cert,
      minVersion: tls === "TLS 1.2" ? ("TLSv1.2" as const) : ("TLSv1.3" as const),
      requestCert: tls !== "anybody",
      rejectUnauthorized: tls !== "anybody" && tls !== "any certificate",
    };
    const server =
      this.#binding === "tcp"
        ? createTls(options, (socket) => this.#serve(socket))
        : createHttps(options, (request, response) => this.#http(request, response));
    server.on("tlsClientError", () => {});
    if (tls === "20 connections") server.maxConnections = 20;
    server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.once("close", () => this.#sockets.delete(socket));
    });
    this.#server = server;
    await new Promise<void>((resolve) => server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server?.close(() => resolve()));
    this.#hangUp();
    await closed;
  }

  async restart(): Promise<void> {
    await this.close();
    this.#late.length = 0;
    if (this.#wrong.store === "forgets at restart") this.#held = new Map();
    await this.listen();
  }

  #hangUp(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** @returns what is answered to a message; undefined where it cannot be read */
  #take(text: Buffer): Answer | undefined {
    const { check, says } = this.#wrong;
    let message: Message;
    try {
      message = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
      if (typeof message !== "object" || message === null || Array.isArray(message))
        return undefined;
    } catch {
      return undefined;
    }
    const id = message.key_ID;
    const bad = (response = "invalid_message"): Answer => ({
      response,
      key_ID: typeof id === "string" ? id : "",
    });
    if (check === "32 KiB" && text.length > 32_768) return bad();
    if (typeof id !== "string" || !uuid.test(id)) {
      return check === "no ID" ? { response: "success", key_ID: String(id) } : bad();
    }
    const { key, key_length: length, hash_value: hash, generation_timestamp: time } = message;
    if (typeof message.qkd_module_ID !== "string") return bad();
    if (says === "an own word for modules" && message.qkd_module_ID.includes("NOT-THERE")) {
      return bad("who is that");
    }
    if (typeof key !== "string" || (text.toString().match(/"key":/g)?.length ?? 0) > 1)
      return bad();
    const bytes = Buffer.from(key, "base64");
    const bits = typeof length === "number" ? length : bytes.length * 8;
    if (this.#wrong.store === "stores before it checks") this.#put(id, { bits, bytes, time });
    if (check !== "any base64" && bytes.toString("base64") !== key) return bad();
    if (check !== "empty keys" && bytes.length === 0) return bad();
    const rightLength = check === "length in bytes" ? bits : Math.ceil(bits / 8);
    if (check !== "any base64" && rightLength !== bytes.length) return bad();
    if (check === "whole bytes only" && bits % 8 !== 0) return bad();
    const spare = bytes.length * 8 - bits;
    const padding = (bytes.at(-1) ?? 0) & ((1 << spare) - 1);
    if (check !== "no padding" && spare > 0 && spare < 8 && padding !== 0) return bad();
    if (!this.#facts(message)) return bad();
    const digest = `sha-256:${createHash("sha256").update(bytes).digest("hex")}`;
    if (check === "needs a hash" && hash === undefined) return bad();
    if (check !== "no hash" && hash !== undefined && hash !== digest) return bad("hash_mismatch");
    return { response: this.#put(id, { bits, bytes, time }), key_ID: id };
  }

  #facts(message: Message): boolean {
    const { check } = this.#wrong;
    const { generation_timestamp: time, extension } = message;
    if (time !== undefined) {
      const at = typeof time === "string" && stamp.test(time) ? new Date(time) : undefined;
      if (at === undefined || Number.isNaN(at.getTime()) || at.toISOString() !== time) return false;
      if (check === "times of this century only" && !time.startsWith("20")) return false;
    }
    if (check === "needs a time" && time === undefined) return false;
    if (check === "needs a QBER" && !JSON.stringify(extension ?? []).includes("qber")) return false;
    return check !== "known members only" || !("later_edition" in message);
  }

  #put(id: string, key: Held): string {
    const { store } = this.#wrong;
    for (const [late, of] of this.#late.splice(0, this.#late.length - 100))
      this.#held.set(late, of);
    const held = this.#held.get(id);
    if (store === "forgets") return "success";
    if (held === undefined) {
      if (store === "stores late") this.#late.push([id, key]);
      else this.#held.set(id, key);
      return "success";
    }
    if (store === "refuses repeats") return "duplicate_key_ID";
    if (store === "takes conflicts") return "success";
    const length = store === "compares the first 16 bytes" ? 16 : undefined;
    const same =
      store === "compares lengths only"
        ? held.bits === key.bits
        : (length !== undefined || held.bits === key.bits) &&
          held.bytes.subarray(0, length).equals(key.bytes.subarray(0, length));
    if (store === "compares times" && held.time !== key.time) return "duplicate_key_ID";
    if (!same && store === "overwrites") this.#held.set(id, key);
    return same ? "success" : "duplicate_key_ID";
  }

  #said(answer: Answer): Answer {
    const { says } = this.#wrong;
    const { response, key_ID } = answer;
    if (says === "OK" && response === "success") return { response: "OK", key_ID };
    if (says === "no key_ID") return { response };
    if (says === "another key_ID") {
      return { response, key_ID: "00000000-0000-8000-8000-00000000dead" };
    }
    return answer;
  }

  #serve(socket: Socket): void {
    const { frames } = this.#wrong;
    let pending: Buffer = Buffer.alloc(0);
    let counted = 0;
    socket.on("error", () => {});
    if (frames === "keeps connections open") socket.allowHalfOpen = true;
    socket.on("data", (chunk: Buffer) => {
      if (frames === "one connection waits for another") {
        if (this.#reading !== undefined && this.#reading !== socket) return;
      }
      pending = frames === "a chunk is a message" ? chunk : Buffer.concat([pending, chunk]);
      while (pending.length >= 10) {
        const end = 10 + pending.readUInt16BE(8);
        if (pending.length < end) break;
        const message = pending.subarray(0, end);
        pending = frames === "one message a chunk" ? Buffer.alloc(0) : pending.subarray(end);
        if (!this.#message(socket, message, counted++)) return;
      }
      this.#reading = pending.length > 0 ? socket : undefined;
    });
    socket.once("close", () => {
      if (this.#reading === socket) this.#reading = undefined;
    });
  }

  /** @returns false once the connection is over */
  #message(socket: Socket, message: Buffer, counted: number): boolean {
    const { frames, says } = this.#wrong;
    const known = message.readUInt16BE(0) === 1 && message.readUInt16BE(6) === 1;
    const answer = known ? this.#take(message.subarray(10)) : undefined;
    if (answer === undefined) {
      if (frames === "falls over nonsense") this.#hangUp();
      if (says !== "nothing to refusals") socket.destroySoon();
      return false;
    }
    if (says === "nothing to refusals" && answer.response !== "success") return true;
    if (frames === "hangs up when asked much" && counted > 100) {
      socket.destroy();
      return false;
    }
    const head = Buffer.from(message.subarray(0, 10));
    if (frames === "16 bit MessageID") head.writeUInt16BE(0, 2);
    if (frames === "signed MessageID") head[2] = (head[2] as number) & 0x7f;
    if (frames === "counts MessageIDs") head.writeUInt32BE(counted, 2);
    const body = Buffer.from(JSON.stringify(this.#said(answer)));
    head.writeUInt16BE(2, 6);
    head.writeUInt16BE(body.length, 8);
    for (let i = says === "everything twice" ? 2 : 1; i > 0; i--) {
      socket.write(Buffer.concat([head, body]));
    }
    return true;
  }

  #http(request: IncomingMessage, response: ServerResponse): void {
    const { http, says } = this.#wrong;
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => {});
    request.once("close", () => {
      if (request.complete || http !== "half a body") return;
      // It looks for the ID in what has come, and keeps a place for it.
      const id = /"key_ID":"([^"]+)"/.exec(Buffer.concat(chunks).toString())?.[1] ?? "";
      this.#held.set(id, { bits: 0, bytes: Buffer.alloc(0), time: undefined });
    });
    request.once("end", () => {
      const wanted = request.method === "POST" || http === "any method";
      const answer = wanted ? this.#take(Buffer.concat(chunks)) : undefined;
      if (says === "nothing to refusals" && answer?.response !== "success") return;
      const good = answer?.response === "success";
      const said = answer === undefined ? { response: "invalid_message" } : this.#said(answer);
      const status = good ? (says === "success with 500" ? 500 : 201) : 409;
      response.writeHead(status, {
        "content-type": "application/json",
        ...(says === "compressed" && { "content-encoding": "gzip" }),
        ...(http === "closes" && { connection: "close" }),
      });
      response.end(says === "status only" ? "" : JSON.stringify(said));
    });
  }
}
