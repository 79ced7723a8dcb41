/** A connection of an application to its KME: bytes out as they are told to be, and answers in, in their order. */
import { isIP } from "node:net";
import { type ConnectionOptions, connect, type TLSSocket } from "node:tls";
import { Broken } from "../run.ts";
import type { Credentials, Door } from "./target.ts";

export interface Answer {
  /** Of HTTP: `1.1`. */
  readonly version: string;
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const longestAnswer = 67_108_864;
const headEnd = Buffer.from("\r\n\r\n");

export class Connection {
  readonly socket: TLSSocket;
  readonly #answerMs: number;
  #pending = Buffer.alloc(0);
  #cause: string | undefined;
  #arrived = () => {};

  private constructor(socket: TLSSocket, answerMs: number) {
    this.socket = socket;
    this.#answerMs = answerMs;
    socket.on("data", (chunk: Buffer) => {
      this.#pending = Buffer.concat([this.#pending, chunk]);
      if (this.#pending.length > longestAnswer) socket.destroy();
      this.#arrived();
    });
    socket.on("error", (error: NodeJS.ErrnoException) => {
      this.#cause = error.code ?? error.message;
      socket.destroy();
    });
    socket.once("end", () => this.#arrived());
    socket.once("close", () => this.#arrived());
  }

  /** Connects, and waits until it stands. @throws Broken */
  static open(
    { host, port, serverName, ca }: Door,
    who: Credentials | undefined,
    answerMs: number,
    more: ConnectionOptions = {},
  ): Promise<Connection> {
    const name = isIP(serverName) === 0 ? { servername: serverName } : {};
    const shown = who && { cert: who.cert, key: who.key };
    const socket = connect({ host, port, ca, ...shown, ...name, minVersion: "TLSv1.2", ...more });
    socket.setNoDelay(true);
    return new Promise((resolve, reject) => {
      const failed = (why: string) => {
        socket.destroy();
        reject(new Broken(`no connection: ${why}`));
      };
      const timer = setTimeout(() => failed(`not within ${answerMs} ms`), answerMs);
      const wrong = (error: NodeJS.ErrnoException) => {
        clearTimeout(timer);
        failed(error.code ?? error.message);
      };
      socket.once("error", wrong);
      socket.once("secureConnect", () => {
        clearTimeout(timer);
        socket.off("error", wrong);
        resolve(new Connection(socket, answerMs));
      });
    });
  }

  /** Whether something may be sent on it. */
  get isOpen(): boolean {
    return this.socket.writable && !this.socket.readableEnded;
  }

  send(bytes: Buffer | string): void {
    if (this.socket.writable) this.socket.write(bytes);
  }

  /** @returns the next answer, or how there was none */
  async next(): Promise<Answer | "(closed)" | "(silence)"> {
    const until = performance.now() + this.#answerMs;
    for (;;) {
      const ended = this.socket.readableEnded || this.socket.destroyed;
      const found = parse(this.#pending, ended);
      if (found !== undefined) {
        this.#pending = this.#pending.subarray(found.length);
        if (found.answer.status >= 200) return found.answer;
        continue;
      }
      if (ended) return "(closed)";
      const left = until - performance.now();
      if (left <= 0) return "(silence)";
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#arrived = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  /** @throws Broken if there is none @param what was asked */
  async answer(what: string): Promise<Answer> {
    const said = await this.next();
    if (said === "(silence)") throw new Broken(`${what}: no answer within ${this.#answerMs} ms`);
    if (said === "(closed)") {
      const cause = this.#cause === undefined ? "" : `: ${this.#cause}`;
      throw new Broken(`${what}: the connection ended before an answer${cause}`);
    }
    return said;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** One answer from the front of these bytes; undefined while it is not whole. @throws Broken if it is none of HTTP */
function parse(bytes: Buffer, ended: boolean): { answer: Answer; length: number } | undefined {
  const at = bytes.indexOf(headEnd);
  if (at < 0) return undefined;
  const [first = "", ...lines] = bytes.toString("latin1", 0, at).split("\r\n");
  const [, version = "", digits] = /^HTTP\/(1\.[01]) (\d{3})(?: |$)/.exec(first) ?? [];
  if (digits === undefined) throw new Broken("what answers is not HTTP/1.1");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const [, name = "", value = ""] = /^([^:\s]+):[ \t]*(.*?)[ \t]*$/.exec(line) ?? [];
    const before = headers[name.toLowerCase()];
    headers[name.toLowerCase()] = before === undefined ? value : `${before}, ${value}`;
  }
  const status = Number(digits);
  const from = at + headEnd.length;
  const whole = (body: Buffer, length: number) => ({
    answer: { version, status, headers, body },
    length,
  });
  if (status < 200 || status === 204 || status === 304) return whole(Buffer.alloc(0), from);
  if (/\bchunked$/i.test(headers["transfer-encoding"] ?? "")) {
    const read = unchunked(bytes, from);
    return read && whole(read.body, read.end);
  }
  const told = headers["content-length"];
  if (told !== undefined) {
    if (!/^\d{1,9}$/.test(told)) throw new Broken("the Content-Length of an answer is no number");
    const end = from + Number(told);
    return end > bytes.length ? undefined : whole(bytes.subarray(from, end), end);
  }
  return ended ? whole(bytes.subarray(from), bytes.length) : undefined;
}

function unchunked(bytes: Buffer, from: number): { body: Buffer; end: number } | undefined {
  const parts: Buffer[] = [];
  for (let at = from; ; ) {
    const line = bytes.indexOf("\r\n", at);
    if (line < 0) return undefined;
    const size = Number.parseInt(bytes.toString("latin1", at, line), 16);
    if (Number.isNaN(size)) throw new Broken("a chunk of an answer has no length");
    const start = line + 2;
    if (bytes.length < start + size + 2) return undefined;
    if (size === 0) {
      const end = bytes.indexOf("\r\n", start);
      return end < 0 ? undefined : { body: Buffer.concat(parts), end: end + 2 };
    }
    parts.push(bytes.subarray(start, start + size));
    at = start + size + 2;
  }
}
