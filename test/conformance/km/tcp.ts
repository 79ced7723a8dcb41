/** A connection of a node to the KM over TCP: frames out, as they are told to be, and answers in. */
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { type ConnectionOptions, connect as connectTls, type TLSSocket } from "node:tls";
import { Broken } from "../run.ts";
import {
  codes,
  frame,
  type HeaderParts,
  headerBytes,
  quoted,
  readMembers,
  type Said,
} from "./message.ts";
import type { Target } from "./target.ts";

/** How the KM is connected to; `more` replaces what the target says. */
export function tlsOptions(target: Target, more: ConnectionOptions = {}): ConnectionOptions {
  const { host, port, serverName, tls } = target;
  const name = isIP(serverName) === 0 ? { servername: serverName } : {};
  return { host, port, ...tls, ...name, minVersion: "TLSv1.3", ...more };
}

/** Connects, and waits until it stands. @throws Broken */
export function dial(target: Target, more?: ConnectionOptions): Promise<Socket | TLSSocket> {
  const { host, port, tls, answerMs } = target;
  const plain = tls === undefined;
  const socket = plain ? connectTcp({ host, port }) : connectTls(tlsOptions(target, more));
  socket.setNoDelay(true);
  return new Promise((resolve, reject) => {
    const failed = (why: string) => {
      socket.destroy();
      reject(new Broken(`no connection: ${why}`));
    };
    const timer = setTimeout(() => failed(`not within ${answerMs} ms`), answerMs);
    socket.once("error", (error: NodeJS.ErrnoException) => failed(error.code ?? error.message));
    socket.once(plain ? "connect" : "secureConnect", () => {
      clearTimeout(timer);
      socket.removeAllListeners("error");
      socket.on("error", () => socket.destroy());
      resolve(socket);
    });
  });
}

export class TcpClient {
  readonly socket: Socket;
  /** Resolves once the connection has ended. */
  readonly closed: Promise<void>;
  /** What the KM sent that is no answer to what it was sent; looked at when the case ends. */
  fault: string | undefined;
  /** ms from each message to its answer. */
  readonly times: number[] = [];
  /** Added to the time that an answer may take, ms: while the case itself is slow. */
  extraMs = 0;
  readonly #answerMs: number;
  readonly #waiting = new Map<number, { told: (said: Said) => void; sentAt: number }>();
  #next = 0;
  #pending = Buffer.alloc(0);

  constructor(socket: Socket, answerMs: number) {
    this.socket = socket;
    this.#answerMs = answerMs;
    socket.on("data", (chunk: Buffer) => this.#take(chunk));
    this.closed = new Promise((resolve) => {
      socket.once("close", () => {
        for (const { told } of this.#waiting.values()) told(closed);
        this.#waiting.clear();
        resolve();
      });
    });
  }

  static async open(target: Target, more?: ConnectionOptions): Promise<TcpClient> {
    return new TcpClient(await dial(target, more), target.answerMs);
  }

  /** Sends bytes as they are. */
  send(bytes: Buffer): void {
    if (!this.socket.destroyed) this.socket.write(bytes);
  }

  /** What the KM says to the message with this number; to be called before it is sent. */
  answer(messageId: number): Promise<Said> {
    return new Promise((resolve) => {
      if (this.socket.destroyed) return resolve(closed);
      const limitMs = this.#answerMs + this.extraMs;
      const timer = setTimeout(() => {
        this.#waiting.delete(messageId);
        resolve({
          word: "(silence)",
          why: `no answer within ${limitMs} ms`,
          keyId: undefined,
        });
      }, limitMs);
      const told = (said: Said) => {
        clearTimeout(timer);
        resolve(said);
      };
      this.#waiting.set(messageId, { told, sentAt: performance.now() });
    });
  }

  /** Sends a message and tells what the KM says to it. */
  supply(body: Buffer, parts?: HeaderParts, messageId = this.#next++): Promise<Said> {
    const said = this.answer(messageId);
    this.send(frame(messageId, body, parts));
    return said;
  }

  /** Many messages in as few writes as possible. */
  supplyAll(bodies: readonly Buffer[]): Promise<Said[]> {
    const ids = bodies.map(() => this.#next++);
    const said = ids.map((id) => this.answer(id));
    this.send(Buffer.concat(bodies.map((body, i) => frame(ids[i] as number, body))));
    return Promise.all(said);
  }

  close(): void {
    this.socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.fault === undefined && this.#pending.length >= headerBytes) {
      const end = headerBytes + this.#pending.readUInt16BE(8);
      if (this.#pending.length < end) return;
      this.#message(this.#pending.subarray(0, end));
      this.#pending = this.#pending.subarray(end);
    }
  }

  #message(message: Buffer): void {
    const version = message.readUInt16BE(0);
    const messageId = message.readUInt32BE(2);
    const code = message.readUInt16BE(6);
    const body = readMembers(message.subarray(headerBytes));
    if (version !== 1) return this.#broken(`a message of Version ${version}`);
    // A KM of request mode asks for keys; there are none here.
    if (code === codes.request) {
      const none = Buffer.from('{"keys":[],"response":"no_keys_available"}');
      return this.send(frame(messageId, none, { code: codes.requestResponse }));
    }
    if (code !== codes.supplyResponse) return this.#broken(`a message with CommandCode ${code}`);
    const waiting = this.#waiting.get(messageId);
    if (waiting === undefined) {
      return this.#broken(`an answer with MessageID ${messageId}, which waits for none`);
    }
    if (body === undefined) return this.#broken("an answer that is no JSON object");
    this.#waiting.delete(messageId);
    this.times.push(performance.now() - waiting.sentAt);
    const { response, key_ID: keyId } = body;
    const id = typeof keyId === "string" ? keyId : undefined;
    const word = typeof response === "string" ? response : "(unclear)";
    const why = word === "(unclear)" ? "an answer without response" : `answered ${quoted(word)}`;
    waiting.told({ word, why, keyId: id });
  }

  #broken(what: string): void {
    this.fault = `the KM sent ${what}`;
    for (const { told } of this.#waiting.values()) {
      told({ word: "(unclear)", why: this.fault, keyId: undefined });
    }
    this.#waiting.clear();
    this.socket.destroy();
  }
}

const closed: Said = {
  word: "(closed)",
  why: "the connection ended before an answer",
  keyId: undefined,
};
