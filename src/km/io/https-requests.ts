/** Asks one module's node for keys over HTTPS (Kq-1 §7.2, Annex B.3): in the shape of ETSI GS QKD 014 "Get key". */

import type { IncomingMessage } from "node:http";
import { Agent, request } from "node:https";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { errorCode } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { clientTls } from "../../host/tls/options.ts";
import {
  type KeyResponseWord,
  type KeyWish,
  readKeyResponse,
  writeKeyRequest,
} from "../../wire/kq1/key-request.ts";
import { requestIdHeader } from "../../wire/kq1/names.ts";
import { Bodies, type BodyRefusal } from "./http-body.ts";
import { RequestLine } from "./request-line.ts";
import type { Asked } from "./tcp-requests.ts";
import type { ServerTexts } from "./tls-door.ts";
import type { Turn } from "./turn.ts";

export interface HttpsRequestsOptions extends Asked {
  /** Of the node's key server. */
  readonly host: string;
  readonly port: number;
  /** The name that the node's certificate must carry. */
  readonly serverName: string;
  /** What this KM shows, and whom it believes: of now, for each connection. */
  readonly tls: () => ServerTexts;
  readonly turn: Turn;
  readonly clock: Clock;
  /** A connection is set up, and an answer is there, within this time, ms. */
  readonly answerTimeout: Duration;
  readonly log: Log;
}

const lookMs = 100;
/** A node's answer is no longer, bytes. */
const longestAnswer = 4_194_304;

/** What was read is wiped once HTTP has copied the body out of it. */
function wipe(chunk: Buffer): void {
  chunk.fill(0);
}

/** What a status says where the body does not. */
function wordOf(status: number): KeyResponseWord {
  if (status === 401 || status === 403) return "unauthorized";
  if (status === 503 || status === 429) return "busy";
  return status === 400 ? "invalid_message" : "other";
}

export class HttpsRequests {
  readonly keys: RequestLine;
  readonly #options: HttpsRequestsOptions;
  readonly #limit: LogLimit;
  readonly #bodies = new Bodies();
  readonly #path: string;
  #agent: Agent | undefined;
  /** Certificates that the agent's connections were made with. */
  #texts: ServerTexts | undefined;
  #isAsking = false;
  #timer: Timer | undefined;
  #isOver = false;

  constructor(options: HttpsRequestsOptions) {
    this.#options = options;
    this.keys = new RequestLine(options.module, options.turn);
    this.#limit = LogLimit.of(options.log, options.clock);
    this.#path = `/api/v1/keys/${encodeURIComponent(options.module.matchingModuleId)}/enc_keys`;
    this.#look();
  }

  close(): void {
    this.#isOver = true;
    this.#timer?.cancel();
    this.#agent?.destroy();
  }

  #look(): void {
    if (this.#isOver) return;
    this.#timer = this.#options.clock.after(lookMs, () => this.#look());
    this.#ask();
  }

  #ask(): void {
    const { wishes, clock } = this.#options;
    if (this.#isOver || this.#isAsking) return;
    const wish = wishes.next(clock.now());
    if (wish === undefined) return;
    this.#isAsking = true;
    this.#send(wish, (response) => {
      this.#isAsking = false;
      // What was not answered may have been given: it is asked for again under its name.
      if (response === undefined) wishes.failed(clock.now());
      else wishes.answered(clock.now(), wish.token, response);
      if (response === "success") this.#ask();
    });
  }

  /** @param done is called once; undefined: there was no answer */
  #send(wish: KeyWish, done: (response: KeyResponseWord | undefined) => void): void {
    const { host, port, serverName, clock, answerTimeout } = this.#options;
    const body = writeKeyRequest(wish, wish.token);
    let isOver = false;
    const end = (response: KeyResponseWord | undefined, cause?: string) => {
      if (isOver) return;
      isOver = true;
      late.cancel();
      if (cause !== undefined) this.#limit.warn(`${host}:${port}`, "no keys from node", { cause });
      done(response);
    };
    const late = clock.after(answerTimeout, () => {
      end(undefined, "no answer in time");
      sent.destroy();
    });
    const tls = this.#options.tls();
    const sent = request({
      host,
      port,
      path: this.#path,
      method: "POST",
      agent: this.#agentFor(tls),
      ...clientTls(tls, serverName, () => clock.wall()),
      headers: {
        "content-type": "application/json",
        "content-length": body.length,
        "accept-encoding": "identity",
        [requestIdHeader]: wish.token,
      },
    });
    sent.on("socket", (socket) => {
      // Behind the listener of HTTP, which is put there anew for each request.
      socket.off("data", wipe);
      socket.on("data", wipe);
    });
    sent.on("error", (error) => end(undefined, errorCode(error) ?? error.message));
    sent.on("response", (response) => {
      this.#bodies.read(response, (read) => this.#take(wish, response, read, end), {
        longest: longestAnswer,
      });
    });
    sent.end(body);
  }

  #take(
    wish: KeyWish,
    { statusCode = 0 }: IncomingMessage,
    body: Buffer | BodyRefusal,
    end: (response: KeyResponseWord | undefined, cause?: string) => void,
  ): void {
    if (typeof body === "string") return end(undefined, `answer is ${body}`);
    try {
      const response = readKeyResponse(body, 0, body.length);
      if (response === undefined) return end(undefined, `no JSON, status ${statusCode}`);
      const isGood = statusCode === 200 && response.response === "success";
      if (!isGood) {
        const said = response.response === "other" ? wordOf(statusCode) : response.response;
        const word = said === "success" ? "other" : said;
        const isUsual = word === "busy" || word === "no_keys_available";
        return end(word, isUsual ? undefined : word);
      }
      end("success", this.keys.take(body, response, wish.size));
    } finally {
      this.#bodies.giveBack(body);
    }
  }

  /** Connections are made anew with certificates that have changed. */
  #agentFor(tls: ServerTexts): Agent {
    if (this.#agent === undefined || this.#texts !== tls) {
      this.#agent?.destroy();
      // A resumed session is not checked again.
      this.#agent = new Agent({ keepAlive: true, maxSockets: 1, maxCachedSessions: 0 });
      this.#texts = tls;
    }
    return this.#agent;
  }
}
