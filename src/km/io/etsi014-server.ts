/**
 * Keys for applications over HTTPS: the three methods of ETSI GS QKD 014 (§5). Each caller shows a certificate, and
 * that says which SAE it is; who is none of this KM's is answered 401 to whatever it asks.
 */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type Clock, systemClock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { Pace } from "../../host/door/pace.ts";
import { isGone, Turns } from "../../host/door/turns.ts";
import { originForm } from "../../host/http/target.ts";
import { wipeMemory } from "../../port/key.ts";
import { writeKeyContainer } from "../../wire/etsi014/container.ts";
import { idsOfBody, idsOfQuery } from "../../wire/etsi014/key-ids.ts";
import {
  type KeyRequest,
  meets,
  requestOfBody,
  requestOfQuery,
} from "../../wire/etsi014/key-request.ts";
import { longestBodyOf } from "../../wire/etsi014/names.ts";
import { type Method, pathOf } from "../../wire/etsi014/path.ts";
import { proactivePathOf } from "../../wire/etsi014/proactive.ts";
import { badRequest, EtsiRefusal, notAllowed, unauthorized } from "../../wire/etsi014/refusal.ts";
import type { ApplicationKeys, Granted } from "../applications/keys.ts";
import { lateAnswer } from "../applications/shortages.ts";
import type { Application, ApplicationTable } from "../applications/table.ts";
import { countOf, idsOf } from "../store/key-run.ts";
import type { KeyStore } from "../store/port.ts";
import { keysIn, readGranted } from "../supply/granted.ts";
import { Bodies, type BodyRefusal } from "./http-body.ts";
import { HttpsDoor } from "./https-door.ts";
import { answerInTime } from "./in-time.ts";
import { type KeepAnswer, KeptAnswers } from "./kept-answers.ts";
import { LongAnswers } from "./long-answers.ts";
import type { NoticeDoor } from "./notice-door.ts";
import { type Admitted, type DoorTimes, type ServerTexts, standardTimes } from "./tls-door.ts";

export interface Etsi014ServerOptions {
  readonly host: string;
  readonly port: number;
  readonly tls: ServerTexts;
  readonly keys: ApplicationKeys;
  readonly table: () => ApplicationTable;
  /** Where proactive supply is; undefined: there is none. */
  readonly notices?: NoticeDoor;
  readonly store: Pick<KeyStore, "read" | "forget" | "use">;
  /** Default: the machine's. */
  readonly clock?: Clock;
  readonly times?: Partial<DoorTimes>;
  readonly log: Log;
}

/** Requests of one application, or of one address's strangers, that are none, before each waits. */
const pace = { burst: 64, refillMs: 100 } as const;
/** Many applications may be behind one address, and all come at once after a power cut. */
const places = {
  strangers: 512,
  strangersOfOne: 256,
  rate: { burst: 512, refillMs: 20 },
  kept: 4_096,
  keptOfOne: 1_024,
  names: { commonName: true, uris: true },
};
const headers = { "content-type": "application/json", "cache-control": "no-store" };

/** Who asked, and is answered. */
interface Asker {
  readonly response: ServerResponse;
  /** Where it comes from. */
  readonly source: string;
  /** Undefined: none of this KM's. */
  readonly caller: Application | undefined;
}

/** A request of an application. */
interface Call extends Asker {
  readonly caller: Application;
  /** What it calls the question, by its Idempotency-Key. */
  readonly name?: string;
}

export class Etsi014Server {
  readonly #options: Etsi014ServerOptions;
  readonly #door: HttpsDoor;
  readonly #bodies = new Bodies();
  readonly #kept: KeptAnswers;
  readonly #long: LongAnswers;
  readonly #turns = new Turns();
  readonly #pace: Pace;
  readonly #clock: Clock;
  readonly #limit: LogLimit;
  readonly #callers = new WeakMap<Socket, Admitted>();
  #refused = 0;

  /** @throws Fault `web.listen` if the certificates are no good */
  constructor(options: Etsi014ServerOptions) {
    this.#options = options;
    const { tls, log, clock = systemClock } = options;
    const times = { ...standardTimes, ...options.times };
    this.#clock = clock;
    this.#pace = new Pace(pace, clock);
    this.#limit = LogLimit.of(log, clock);
    this.#kept = new KeptAnswers(clock);
    this.#long = new LongAnswers(clock);
    const { host, port } = options;
    const serve = (request: IncomingMessage, response: ServerResponse) =>
      this.#serve(request, response);
    const about = { name: "key delivery", code: "web.listen" } as const;
    this.#door = new HttpsDoor({ ...about, host, port, tls, times, clock, log, serve, places });
    // Before HTTP has the connection: a request that came with the handshake is not heard then.
    this.#door.server.prependListener("secureConnection", (socket: TLSSocket) => {
      const admitted = this.#door.door.admit(socket);
      if (admitted !== undefined) this.#callers.set(socket, admitted);
    });
  }

  /** Requests of certificates that are no SAE's of this KM. */
  get refused(): number {
    return this.#refused;
  }

  /** Groups of TLS's key exchanges: of now, or of the last connection. */
  get keyExchanges(): readonly string[] {
    return this.#door.keyExchanges;
  }

  /** @returns the port @throws Fault */
  listen(): Promise<number> {
    return this.#door.listen();
  }

  /** @throws Fault `web.listen` */
  renew(tls: ServerTexts): void {
    this.#door.renew(tls);
  }

  recheck(): void {
    this.#door.recheck();
  }

  /** A key that was taken is with who asked for it, before the door closes. */
  async close(): Promise<void> {
    await this.#door.closeAnswered();
    this.#kept.close();
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { socket } = request;
    const admitted = this.#callers.get(socket);
    if (admitted === undefined) return void socket.destroy();
    if (!(await this.#turns.take(socket, response))) return;
    const { source, names = [] } = admitted;
    const known = () => this.#options.table().certified(names);
    let caller = known();
    const may = this.#pace.passes(payer({ source, caller }), response);
    if (may !== true) {
      if (!(await may)) return;
      // The table may be another one by then.
      caller = known();
    }
    // Whatever it asks: it learns nothing, not even from how long it takes.
    if (caller === undefined) {
      this.#refused++;
      return this.#refuse({ response, source, caller }, unauthorized());
    }
    const asker: Call = { response, source, caller };
    try {
      const call: Call = { ...asker, ...named(request, caller, names) };
      if (this.#own(call, request)) return;
      const { method, sae, query } = pathOf(originForm(request.url ?? ""));
      if (request.method === "GET") return this.#get(call, method, sae, query);
      if (request.method !== "POST" || method === "status") {
        throw notAllowed(method === "status" ? "GET" : "GET, POST");
      }
      const longest = longestBodyOf(method, this.#options.keys.limits.number);
      this.#read(call, request, longest, (body) => this.#post(call, method, sae, body));
    } catch (error) {
      this.#failed(asker, error);
    }
  }

  /** Reads a body, and wipes it. @param then may throw EtsiRefusal @throws EtsiRefusal */
  #read(call: Call, request: IncomingMessage, longest: number, then: (body: Buffer) => void): void {
    const { "content-encoding": encoding = "identity" } = request.headers;
    if (encoding.toLowerCase() !== "identity") throw new EtsiRefusal(415, "body is compressed");
    const read = (body: Buffer | BodyRefusal) => {
      if (typeof body === "string") return this.#unread(call, body, longest);
      try {
        then(body);
      } catch (error) {
        this.#failed(call, error);
      } finally {
        this.#bodies.giveBack(body);
      }
    };
    this.#bodies.read(request, read, { longest, of: call.caller.id });
  }

  /** What is not of the standard. @returns false if it is @throws EtsiRefusal */
  #own(call: Call, request: IncomingMessage): boolean {
    const { notices } = this.#options;
    const path = notices && proactivePathOf(originForm(request.url ?? ""));
    if (notices === undefined || path === undefined) return false;
    const { caller, response } = call;
    const visit = {
      ...{ caller, request, response },
      body: (longest: number, then: (body: Buffer) => void) =>
        this.#read(call, request, longest, then),
      refuse: (refusal: EtsiRefusal) => this.#refuse(call, refusal),
      send: (status: number, body: Buffer) => send(response, status, body),
      sendKeys: (body: Buffer) => this.#sendKeys(call, body),
      inTime: (late: () => void) => this.#inTime(call, late),
    };
    notices.serve(visit, path);
    return true;
  }

  #get(call: Call, method: Method, sae: string, query: URLSearchParams): void {
    const { keys, store } = this.#options;
    if (method === "status") {
      const status = keys.status(call.caller, sae, store.use().limitBytes);
      return send(call.response, 200, Buffer.from(JSON.stringify(status)));
    }
    if (method === "dec_keys") return this.#take(call, sae, idsOfQuery(query));
    this.#give(call, sae, requestOfQuery(query, keys.limits));
  }

  #post(call: Call, method: Method, sae: string, body: Buffer): void {
    const { limits } = this.#options.keys;
    if (method === "enc_keys") return this.#give(call, sae, requestOfBody(body, limits));
    this.#take(call, sae, idsOfBody(body, limits.number));
  }

  #give(call: Call, slave: string, wanted: KeyRequest): void {
    const isBrought = wanted.session !== undefined;
    this.#inTime(call, () => this.#refuse(call, lateAnswer()), isBrought);
    this.#once(call, ["enc_keys", slave, wanted], (keep) => {
      const done = (result: Granted | EtsiRefusal) => {
        const met = result instanceof EtsiRefusal || meets(result.level, wanted.wish);
        this.#answer(call, result, keep, wanted.unhandled || !met);
      };
      this.#options.keys.give(call.caller, slave, wanted, done, isWanted(call));
    });
  }

  #take(call: Call, master: string, ids: readonly string[]): void {
    this.#inTime(call, () => this.#refuse(call, lateAnswer()));
    this.#once(call, ["dec_keys", master, ids], (keep) => {
      const done = (result: Granted | EtsiRefusal) => this.#answer(call, result, keep);
      this.#options.keys.take(call.caller, master, ids, done, isWanted(call));
    });
  }

  #inTime({ response }: Call, late: () => void, isBrought = false): void {
    answerInTime(this.#clock, response, this.#options.keys.withinMs(isBrought), late);
  }

  /** A question with an Idempotency-Key that was answered before gets that answer again. @throws EtsiRefusal */
  #once(call: Call, question: readonly unknown[], act: (keep: KeepAnswer) => void): void {
    const { name, caller } = call;
    const isFull = () => this.#long.isFull(caller.id);
    const notRead = () => new EtsiRefusal(503, "answers of before are not read", [], 1);
    if (isFull()) throw notRead();
    if (name === undefined) return act(() => {});
    const again = (body: Buffer | undefined) => {
      if (body === undefined) {
        return this.#refuse(call, new EtsiRefusal(503, "the first of these had no key", [], 1));
      }
      if (!isFull()) return this.#sendKeys(call, body);
      wipeMemory(body);
      this.#refuse(call, notRead());
    };
    const asked = this.#kept.asked(name, JSON.stringify(question), again, caller.id);
    if (asked === "other") throw badRequest("the Idempotency-Key is of another request");
    if (asked === "again") return;
    if (asked === "busy") throw new EtsiRefusal(503, "the same is asked too often", [], 1);
    try {
      act(asked);
    } catch (error) {
      asked(undefined);
      throw error;
    }
  }

  /** These keys are the caller's, durably: read, written into the answer, and not needed any more. */
  #answer(call: Call, result: Granted | EtsiRefusal, keep: KeepAnswer, unhandled = false): void {
    const without = (refusal: EtsiRefusal) => {
      keep(undefined);
      this.#refuse(call, refusal);
    };
    if (result instanceof EtsiRefusal) return without(result);
    const { store, log } = this.#options;
    const { uses } = result;
    readGranted(store, result, (bytes) => {
      if (bytes === undefined) {
        log.error("keys are damaged: lost", { keys: countOf(uses) });
        const lost = new EtsiRefusal(503, "the keys were damaged and are lost", [], 0);
        return without(lost);
      }
      const ids = idsOf(uses);
      const body = writeKeyContainer(ids, keysIn(uses, bytes), unhandled);
      wipeMemory(bytes);
      keep(body);
      this.#sendKeys(call, body);
    });
  }

  /** @param body wiped once it was sent, or will not be */
  #sendKeys({ caller, response }: Call, body: Buffer): void {
    if (isGone(response)) return wipeMemory(body);
    this.#long.begin(caller.id, response, body.length);
    response.once("close", () => wipeMemory(body));
    send(response, 200, body);
  }

  #unread(call: Call, why: BodyRefusal, longest: number): void {
    if (why === "cut") return void call.response.destroy();
    const refusal =
      why === "busy"
        ? new EtsiRefusal(503, "too much is under way", [], 1)
        : new EtsiRefusal(413, `body over ${longest} bytes`);
    // Of a body that was not read more may come: the connection is of no use.
    call.response.setHeader("connection", "close");
    this.#refuse(call, refusal);
  }

  #failed(call: Call, error: unknown): void {
    if (error instanceof EtsiRefusal) return this.#refuse(call, error);
    const cause = error instanceof Fault ? error.code : "defect";
    this.#options.log.error("key delivery failed", { cause });
    this.#refuse(call, new EtsiRefusal(500, "internal error"));
  }

  #refuse(asker: Asker, refusal: EtsiRefusal): void {
    const { response, source, caller } = asker;
    const { status, message, retryAfter, allow } = refusal;
    // When keys are short the caller did nothing wrong.
    if (status !== 503 && status !== 429) {
      this.#pace.charge(payer(asker));
      const sae = caller && { sae: caller.id };
      const cause = message && { cause: message };
      this.#limit.warn(source, "request refused", { status, ...sae, ...cause });
    }
    const more = {
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      ...(allow !== undefined && { allow }),
    };
    send(response, status, refusal.body(), more);
  }
}

/** An answer under a name is kept for who asks again; another is for a client that is there. */
function isWanted({ name, response }: Call): () => boolean {
  return () => name !== undefined || !isGone(response);
}

/** Who pays for what is refused: applications behind one address do not pay for each other. */
function payer({ source, caller }: Omit<Asker, "response">): string {
  return caller?.id ?? `\0${source}`;
}

/**
 * How a caller names its question: one of 1 to 128 printable characters. The name is of its SAE ID and its certificate:
 * either may be of another application when the table was read anew, which must not get what this one was given.
 * @throws EtsiRefusal if it is none: an application that counts on it would get other keys, and not know
 */
function named(
  request: IncomingMessage,
  { id }: Application,
  names: readonly string[],
): { name?: string } {
  if (request.headers["idempotency-key"] === undefined) return {};
  const [key = "", ...more] = request.headersDistinct["idempotency-key"] ?? [];
  if (more.length > 0 || !/^[\x21-\x7e]{1,128}$/.test(key)) {
    throw badRequest("the Idempotency-Key is not one word of 1 to 128 printable ASCII characters");
  }
  return { name: JSON.stringify([id, names, key]) };
}

function send(
  response: ServerResponse,
  status: number,
  body: Buffer,
  more: Readonly<Record<string, string>> = {},
): void {
  if (isGone(response)) return;
  const type = body.length === 0 ? { "cache-control": "no-store" } : headers;
  // An answer without content has no length either (RFC 9110 §8.6).
  const length = status === 204 ? {} : { "content-length": body.length };
  response.writeHead(status, { ...type, ...more, ...length });
  response.end(body);
}
