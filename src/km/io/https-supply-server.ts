/** Key supply over HTTPS, the KM's side (Annex B.1, B.2): a POST for each key, or for a batch of keys. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Pace } from "../../host/door/pace.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { httpStatus, parameter, supplyPathTemplate } from "../../wire/kq1/names.ts";
import {
  longestAnswer,
  type SupplyResponse,
  writeSupplyAnswer,
} from "../../wire/kq1/supply-answer.ts";
import { elementsOf } from "../../wire/kq1/supply-members.ts";
import { alpn as kq2Protocol } from "../../wire/kq2/names.ts";
import { Bodies, type BodyRefusal } from "./http-body.ts";
import { HttpsDoor } from "./https-door.ts";
import { HttpsLine } from "./https-line.ts";
import type { Kq2Lines } from "./kq2-line.ts";
import { pathPattern } from "./supply-path.ts";
import { type DoorTimes, type ServerTexts, standardTimes } from "./tls-door.ts";
import type { Turn } from "./turn.ts";

export interface HttpsSupplyServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTexts;
  /** Of the requests' path; default: that of the profile. */
  readonly path?: string;
  readonly turn: Turn;
  /** Where nodes go that ask for Kq-2 in the handshake; undefined: it is not offered. */
  readonly kq2?: Kq2Lines | undefined;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<DoorTimes>;
  readonly log: Log;
}

/** Requests of one node that are none, before each waits. */
const pace = { burst: 128, refillMs: 50 } as const;
const headers = { "content-type": "application/json", "cache-control": "no-store" };

/** What is said of one key. */
interface Said {
  /** Undefined in a refusal of what names no key. */
  readonly id: Buffer | undefined;
  response: SupplyResponse;
}

export class HttpsSupplyServer {
  readonly #options: HttpsSupplyServerOptions;
  readonly #door: HttpsDoor;
  readonly #bodies = new Bodies();
  readonly #turns = new Turns();
  readonly #pace: Pace;
  readonly #limit: LogLimit;
  readonly #path: ReturnType<typeof pathPattern>;
  readonly #lines = new WeakMap<Socket, HttpsLine>();

  /** @throws Fault `kq1.connect` if the certificates are no good */
  constructor(options: HttpsSupplyServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    const times = { ...standardTimes, ...options.times };
    this.#pace = new Pace(pace, clock);
    this.#limit = LogLimit.of(log, clock);
    this.#path = pathPattern(options.path ?? supplyPathTemplate);
    const { host, port } = options;
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      this.#serve(request, response);
    const protocols = options.kq2 && { protocols: [kq2Protocol] };
    const about = { name: "Kq-1 server", code: "kq1.connect" } as const;
    this.#door = new HttpsDoor({
      ...about,
      host,
      port,
      tls,
      times,
      clock,
      log,
      serve,
      ...protocols,
    });
    this.#admit(options.kq2);
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#door.keyExchanges;
  }

  /** @returns the port @throws Fault */
  listen(): Promise<number> {
    return this.#door.listen();
  }

  /** @throws Fault `kq1.connect` */
  renew(tls: ServerTexts): void {
    this.#door.renew(tls);
  }

  recheck(): void {
    this.#door.recheck();
  }

  /** What was not confirmed comes again. */
  close(): Promise<void> {
    return this.#door.close();
  }

  /** Lets clients in before HTTP has their connections; those of Kq-2 it never has. */
  #admit(kq2: Kq2Lines | undefined): void {
    const { server } = this.#door;
    const http = server.listeners("secureConnection") as ((socket: TLSSocket) => void)[];
    server.removeAllListeners("secureConnection");
    server.on("secureConnection", (socket: TLSSocket) => {
      const admitted = this.#door.door.admit(socket);
      if (admitted === undefined) return;
      if (socket.alpnProtocol === kq2Protocol) return kq2?.open(socket, admitted);
      this.#lines.set(socket, new HttpsLine(admitted));
      for (const listener of http) listener.call(server, socket);
      // After HTTP has read it. Without a listener its parser would read into memory of its own, and not wipe that.
      socket.on("data", (chunk: Buffer) => void chunk.fill(0));
    });
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const line = this.#lines.get(socket);
    if (line === undefined) return void socket.destroy();
    if (!(await this.#turns.take(socket, response))) return;
    if (!(await this.#pace.passes(line.source, response))) return;
    const named = this.#path(request.url ?? "");
    if (named === undefined) return this.#refuse(line, response, 404, "no such path");
    if (request.method !== "POST") return this.#refuse(line, response, 405, "POST only");
    const { "content-encoding": encoding = "identity" } = request.headers;
    if (encoding.toLowerCase() !== "identity") {
      return this.#refuse(line, response, 415, "body is compressed");
    }
    this.#bodies.read(
      request,
      (body) => {
        if (typeof body === "string") return this.#unread(line, response, body);
        try {
          this.#take(line, response, body, named);
        } finally {
          this.#bodies.giveBack(body);
        }
      },
      { of: line.source },
    );
  }

  /** @param named what the path says of the modules */
  #take(
    line: HttpsLine,
    response: ServerResponse,
    body: Buffer,
    named: ReadonlyMap<string, string>,
  ): void {
    const { reader } = line;
    const refusal = reader.read(body, 0, body.length);
    const batch = refusal && reader.batch;
    const said: Said[] = [];
    let waiting = 1;
    const answered = () => {
      waiting--;
      if (waiting === 0) send(response, said, batch !== undefined);
    };
    const one = (from: number, to: number, wrong = reader.read(body, from, to)) => {
      const own: Said = {
        id: reader.hasId ? Buffer.from(reader.id) : undefined,
        response: wrong?.reason ?? "internal_error",
      };
      said.push(own);
      const why = wrong?.why ?? misnamed(reader.facts, named);
      if (why !== undefined) {
        reader.drop();
        if (wrong === undefined) own.response = "invalid_message";
        this.#pace.charge(line.source);
        return this.#limit.warn(line.source, "key refused", { cause: why });
      }
      waiting++;
      const ticket = line.ticket((word) => {
        own.response = word;
        answered();
      });
      this.#options.turn.intake.supply(line, ticket, reader);
    };
    if (batch === undefined) one(0, body.length, refusal);
    else for (const { from, to } of elementsOf(body, batch.from, batch.to)) one(from, to);
    this.#options.turn.came();
    answered();
  }

  #unread(line: HttpsLine, response: ServerResponse, why: BodyRefusal): void {
    if (why === "cut") return void response.destroy();
    if (why === "busy") return this.#refuse(line, response, 503, "too much is under way");
    this.#refuse(line, response, 413, "body is too long");
  }

  /** Refuses what cannot be about a key: for a node it is no answer about one. */
  #refuse(line: HttpsLine, response: ServerResponse, status: number, message: string): void {
    this.#pace.charge(line.source);
    this.#limit.warn(line.source, "request refused", { cause: message });
    if (isGone(response)) return;
    const reason = status === 503 ? "busy" : "invalid_message";
    const body = Buffer.from(JSON.stringify({ [parameter.response]: reason, message }));
    // Of a body that was not read more may come: the connection is of no use.
    response.writeHead(status, { ...headers, "content-length": body.length, connection: "close" });
    response.end(body);
  }
}

/** What a message says in contradiction to the path that it came by; undefined if it does not. */
function misnamed(
  facts: { readonly moduleId: string; readonly matchingModuleId: string | undefined } | undefined,
  named: ReadonlyMap<string, string>,
): string | undefined {
  const own = named.get(parameter.moduleId);
  const other = named.get(parameter.matchingModuleId);
  const isOther = (path: string | undefined, said: string | undefined) =>
    path !== undefined && said !== undefined && path !== said;
  return isOther(own, facts?.moduleId) || isOther(other, facts?.matchingModuleId)
    ? "the path names another module"
    : undefined;
}

/** Answers a request for all its keys: with the status of the first that was refused, if any was. */
function send(response: ServerResponse, said: readonly Said[], isBatch: boolean): void {
  if (isGone(response)) return;
  const worst = said.find((one) => one.response !== "success")?.response ?? "success";
  const status = httpStatus[worst] ?? 500;
  const body = Buffer.allocUnsafe(said.length * (longestAnswer + 1) + 16);
  let at = isBatch ? body.write(`{"${parameter.keys}":[`, "latin1") : 0;
  for (const [i, { id, response: word }] of said.entries()) {
    if (i > 0) body[at++] = 0x2c;
    at = writeSupplyAnswer(body, at, id, 0, word);
  }
  if (isBatch) at += body.write("]}", at, "latin1");
  response.writeHead(status, {
    ...headers,
    "content-length": at,
    ...(status === 503 && { "retry-after": "1" }),
  });
  response.end(body.subarray(0, at));
}
