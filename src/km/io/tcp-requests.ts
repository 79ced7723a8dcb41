/**
 * Asks nodes for keys over the TCP connections that they have made (Kq-1 §7.2, Annex A). A request does not say of
 * which module: the certificate of the node must be bound to one module in request mode, and no other.
 */
import type { Clock, Timer } from "../../base/clock.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import type { KqFrame } from "../../wire/kq1/frame.ts";
import { type KeyWish, readKeyResponse, writeKeyRequestFrame } from "../../wire/kq1/key-request.ts";
import type { IntakeModule } from "../acquisition/line.ts";
import type { Wishes } from "../acquisition/wishes.ts";
import type { Kq1Line } from "./kq1-line.ts";
import type { LineWatcher } from "./kq1-server.ts";
import { RequestLine } from "./request-line.ts";
import type { Turn } from "./turn.ts";

export interface Asked {
  readonly module: IntakeModule;
  readonly wishes: Wishes;
}

export interface TcpRequestsOptions {
  /** Modules in request mode over TCP. */
  readonly modules: readonly Asked[];
  readonly turn: Turn;
  readonly clock: Clock;
  readonly log: Log;
}

/** How often it is looked whether a module is short of keys, ms. */
const lookMs = 100;
/** Requests of one connection that an answer may still come to; older ones are forgotten. */
const mostAsked = 16;

interface Connection {
  readonly asked: Asked;
  readonly keys: RequestLine;
  /** By MessageID. */
  readonly requests: Map<number, KeyWish>;
}

export class TcpRequests implements LineWatcher {
  readonly #options: TcpRequestsOptions;
  readonly #limit: LogLimit;
  readonly #lines = new Map<Kq1Line, Connection>();
  #messageId = 0;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: TcpRequestsOptions) {
    this.#options = options;
    this.#limit = LogLimit.of(options.log, options.clock);
    this.#look();
  }

  /** What became of keys that came, over all connections of now. */
  counts(): Partial<Record<string, number>> {
    const all: Partial<Record<string, number>> = {};
    for (const { keys } of this.#lines.values()) {
      for (const [word, count] of Object.entries(keys.counts)) all[word] = (all[word] ?? 0) + count;
    }
    return all;
  }

  opened(line: Kq1Line): void {
    const bound = this.#options.modules.filter(({ module }) => line.maySupply(module));
    const [asked, another] = bound;
    if (asked === undefined) return;
    if (another !== undefined) {
      const cause = "its certificate is bound to several modules in request mode";
      return this.#limit.warn(line.source, "node is not asked for keys", { cause });
    }
    const keys = new RequestLine(asked.module, this.#options.turn);
    this.#lines.set(line, { asked, keys, requests: new Map() });
    asked.wishes.lost(this.#options.clock.now());
    this.#ask();
  }

  responded(line: Kq1Line, { messageId, bytes, start, end }: KqFrame): void {
    const connection = this.#lines.get(line);
    const wish = connection?.requests.get(messageId);
    const response = readKeyResponse(bytes, start, end);
    if (connection === undefined || wish === undefined || response === undefined) {
      this.#limit.warn(line.source, "node answers what was not asked, or in no JSON");
      return line.close();
    }
    connection.requests.delete(messageId);
    const { asked, keys } = connection;
    const wrong = keys.take(bytes, response, wish.size);
    if (wrong !== undefined) this.#limit.warn(line.source, "key refused", { cause: wrong });
    const usual = ["success", "busy", "no_keys_available"].includes(response.response);
    if (!usual) {
      this.#limit.warn(line.source, "node refuses to give keys", { cause: response.response });
    }
    asked.wishes.answered(this.#options.clock.now(), wish.token, response.response);
    this.#ask();
  }

  closed(line: Kq1Line): void {
    const connection = this.#lines.get(line);
    this.#lines.delete(line);
    if (connection !== undefined && connection.requests.size > 0) {
      connection.asked.wishes.lost(this.#options.clock.now());
    }
  }

  close(): void {
    this.#isOver = true;
    this.#timer?.cancel();
  }

  #look(): void {
    if (this.#isOver) return;
    this.#timer = this.#options.clock.after(lookMs, () => this.#look());
    this.#ask();
  }

  #ask(): void {
    const now = this.#options.clock.now();
    for (const [line, { asked, requests }] of this.#lines) {
      const wish = asked.wishes.next(now);
      if (wish === undefined) continue;
      this.#messageId = (this.#messageId + 1) >>> 0;
      requests.set(this.#messageId, wish);
      const [oldest] = requests.keys();
      if (requests.size > mostAsked && oldest !== undefined) requests.delete(oldest);
      line.send(writeKeyRequestFrame(this.#messageId, wish));
    }
  }
}
