/**
 * One connection to a KM over TCP or TLS (Annex A), used once: it supplies keys, a window of them
 * outstanding, hands on the answers, and answers the KM's requests. `module/km-channel.ts` makes a new one
 * after it ended.
 */

import { randomUUID } from "node:crypto";
import type { Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import type { Clock, Timer } from "../../base/clock.ts";
import type { Duration } from "../../base/duration.ts";
import { Fault } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { LogLimit } from "../../base/log-limit.ts";
import { kmIdentity } from "../../host/tls/names.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import type { QkdKey } from "../../port/key.ts";
import { isUsualSuccess, parseSupplyAnswer } from "../../wire/kq1/answer.ts";
import type { PairOf } from "../../wire/kq1/epoch-names.ts";
import { KqDeframer, type KqFrame, writeHeader } from "../../wire/kq1/frame.ts";
import { Heard, unheard } from "../../wire/kq1/heard.ts";
import { command, header } from "../../wire/kq1/names.ts";
import { Outstanding } from "../../wire/kq1/outstanding.ts";
import { Patience } from "../../wire/kq1/patience.ts";
import {
  checkKeyRequest,
  claimantOf,
  type KeyRequestMessage,
  keysThatFit,
  parseMembers,
  responseBound,
  writeKeyResponse,
} from "../../wire/kq1/request.ts";
import { RequestFlow, unreadTimeout } from "../../wire/kq1/request-flow.ts";
import { SupplyWriter } from "../../wire/kq1/supply.ts";
import type { KeyReply, KmLink, KmSink, OnRequestKeys } from "../keys/ports.ts";
import { Outgoing } from "./outgoing.ts";

export interface Kq1SessionOptions {
  /** `host:port`, for logs */
  readonly where: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** The pair of modules that an epoch is recorded for; default: those named above. */
  readonly pairOf?: PairOf;
  /** Whether messages have a `hash_value`; they do unless told otherwise. */
  readonly hashValue?: boolean;
  /** Most keys outstanding. */
  readonly window: number;
  /** The KM completes an answer within this time or the connection is given up, ms: {@link Patience}. */
  readonly answerTimeout: Duration;
  /** Where the KM may ask for keys (§7.2); undefined in proactive mode. */
  readonly desk?: OnRequestKeys;
  /** Names of the KM: as it is configured, and as its certificate proved it. */
  readonly kmNames?: readonly string[];
  /** Told whether the KM answers for its keys; default: not told. */
  readonly heard?: Heard;
  readonly clock: Clock;
  readonly log: Log;
}

/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeTimeout = 500;
/** A frame that began is complete in this time, ms, or the connection is given up. */
export const frameTimeout = 10_000;

export class Kq1Session implements KmLink {
  readonly ended: Promise<Error | undefined>;
  readonly #socket: Socket;
  readonly #options: Kq1SessionOptions;
  readonly #sink: KmSink;
  readonly #writer: SupplyWriter;
  readonly #deframer: KqDeframer;
  readonly #out: Outgoing;
  #end!: (error: Error | undefined) => void;
  #over = false;
  readonly #pending: Outstanding;
  readonly #patience: Patience;
  readonly #heard: Heard;
  /** Answers for keys. */
  #answers = 0;
  /** Those among them that say nothing about a key, and were not told yet. */
  #unclear = 0;
  #halted = false;
  /** Tells the KM from all others; made when it first asks for keys. */
  #km: string | undefined;
  readonly #flow: RequestFlow;
  readonly #limit: LogLimit;
  #timer: Timer | undefined;
  /** Frames that came; tells whether one was completed. */
  #frames = 0;
  /** The time of this turn of the event loop: asking for it costs a good part of a key. */
  #now: number | undefined;
  #frameTimer: Timer | undefined;

  /** @param socket connected and, with TLS, authenticated on both sides */
  constructor(socket: Socket, options: Kq1SessionOptions, sink: KmSink) {
    this.#socket = socket;
    this.#options = options;
    this.#sink = sink;
    this.#pending = new Outstanding(options.window);
    this.#patience = new Patience(options.answerTimeout);
    this.#heard = options.heard ?? new Heard();
    const { moduleId, matchingModuleId, hashValue, pairOf } = options;
    this.#writer = new SupplyWriter(moduleId, matchingModuleId, hashValue, pairOf);
    this.#deframer = new KqDeframer((frame) => this.#frame(frame));
    this.#out = new Outgoing(socket);
    this.#limit = LogLimit.of(options.log, options.clock);
    this.#flow = new RequestFlow({
      clock: options.clock,
      pause: () => {
        socket.pause();
        // What is missing of a frame may have come: it is the node that does not look.
        this.#forgetFrame();
      },
      resume: () => {
        if (this.#deframer.pending > 0) this.#frameTimer = this.#watchFrame();
        socket.resume();
      },
      stalled: () => this.#late("KM reads none of its answers", unreadTimeout),
    });
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("error", (error) => this.#fail(closed(options.where, connectionReason(error, "KM"))));
    socket.on("close", () => this.#fail(closed(options.where, "closed by the KM")));
  }

  get room(): number {
    // Keys that wait are better in custody than here, where they are another time; there will be
    // room, at the latest, when the next answer comes.
    if (this.#over || (this.#pending.size > 0 && this.#out.full)) return 0;
    return this.#options.window - this.#pending.size;
  }

  supply(key: QkdKey): void {
    // It stays unanswered, and comes back to the caller with the others.
    if (this.#over) return;
    const target = this.#out.room(this.#writer.bound(key));
    const end = this.#writer.write(target, this.#out.at, this.#pending.nextId, key);
    this.#pending.add(key, this.#turn());
    this.#out.commit(end);
    this.#timer ??= this.#watch(this.#options.answerTimeout);
  }

  halt(): void {
    if (this.#out.unsent === 0) return;
    this.#halted = true;
    this.#fail(new Fault("kq1.closed", "keys may not leave", { source: this.#options.where }));
  }

  /** Ends the connection within a second; unanswered keys stay the caller's. Never rejects. */
  async close(): Promise<void> {
    if (!this.#over) {
      this.#finish(undefined);
      this.#out.drop();
      this.#socket.end();
    }
    if (this.#socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = this.#options.clock.after(closeTimeout, () => this.#socket.destroy());
      this.#socket.once("close", () => {
        timer.cancel();
        resolve();
      });
    });
  }

  #data(chunk: Buffer): void {
    if (this.#over) {
      chunk.fill(0);
      return;
    }
    const frames = this.#frames;
    const answers = this.#answers;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      if (error.code === "kq1.frame" && !isResponse(error.facts.command)) {
        this.#refuse(Number(error.facts.message_id), error);
      } else this.#fail(error);
    }
    chunk.fill(0);
    this.#progressed(this.#answers - answers);
    if (this.#over) return;
    if (frames !== this.#frames || this.#deframer.pending === 0) this.#forgetFrame();
    this.#flow.check();
    if (this.#deframer.pending === 0 || this.#flow.isHeld) return;
    this.#frameTimer ??= this.#watchFrame();
  }

  #frame(frame: KqFrame): void {
    if (this.#over) return;
    this.#frames++;
    if (frame.command === command.keySupplyResponse) return this.#answered(frame);
    if (frame.command === command.keyRequest) return this.#requested(frame);
    throw new Fault("kq1.frame", "unexpected command of the KM", {
      source: this.#options.where,
      command: frame.command,
      message_id: frame.messageId,
    });
  }

  #answered(frame: KqFrame): void {
    const key = this.#pending.get(frame.messageId);
    if (key === undefined) {
      throw new Fault("kq1.message", "answer to a message that is not outstanding", {
        source: this.#options.where,
        message_id: frame.messageId,
      });
    }
    const keyId = key.id;
    if (isUsualSuccess(frame.bytes, frame.start, frame.end, keyId)) {
      this.#answers++;
      this.#pending.delete(frame.messageId);
      this.#sink.answered(key, "success");
      return;
    }
    const answer = parseSupplyAnswer(frame.payload);
    // A `success` under another ID proves nothing about this key.
    if (answer.keyId !== undefined && answer.keyId !== keyId) {
      throw new Fault("kq1.message", "answer names another key_ID than its message", {
        source: this.#options.where,
        key_ID: keyId,
      });
    }
    this.#answers++;
    this.#pending.delete(frame.messageId);
    if (answer.response === "unclear") this.#unclear++;
    this.#sink.answered(key, answer.response);
  }

  /** So many answers were completed. They are counted together: each by itself would cost a short key more. */
  #progressed(answers: number): void {
    if (answers === 0) return;
    this.#patience.answered(this.#turn());
    this.#heard.own += answers - this.#unclear;
    for (; this.#unclear > 0; this.#unclear--) {
      this.#heard.notTheKm("the KM answers with a word that is not known, and names no key");
    }
  }

  /**
   * The KM asks for keys. What is no JSON object is answered and ends the connection; a parameter
   * that is wrong, or a node in proactive mode, is answered and does not.
   */
  #requested({ messageId, payload }: KqFrame): void {
    const { desk, moduleId, kmNames = [], where } = this.#options;
    const refuse = (response: string, cause?: string) => {
      if (cause !== undefined) this.#limit.warn(where, "key request refused", { cause });
      this.#flow.refused();
      this.#respond(messageId, { response, keys: [] }, 0);
    };
    let members: ReturnType<typeof parseMembers>;
    try {
      members = parseMembers(payload);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return this.#refuse(messageId, error);
    }
    let request: KeyRequestMessage;
    try {
      if (desk === undefined) throw new Fault("kq1.message", "key request in proactive mode");
      request = checkKeyRequest(members);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      return refuse("invalid_message", error.message);
    }
    const { number, size, token } = request;
    const most = keysThatFit(size);
    const bytes = responseBound(Math.min(number, most), size);
    if (!this.#flow.begin(bytes)) return refuse("busy");
    this.#km ??= kmIdentity(kmNames, certificateOf(this.#socket), where);
    const claimant = claimantOf(this.#km, moduleId, randomUUID());
    void desk.request({ claimant, token, number, size, most }).then((reply) => {
      this.#flow.end(bytes);
      if (reply.keys.length === 0) refuse(reply.response, reply.text);
      else this.#respond(messageId, reply, reply.keys.length === most ? number - most : 0);
    });
  }

  #respond(messageId: number, reply: KeyReply, remaining: number): void {
    if (this.#over) return reply.unsent?.();
    let payload: Buffer;
    try {
      payload = writeKeyResponse(reply.response, reply.keys, remaining);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      // Wiped in this very turn.
      reply.unsent?.();
      payload = writeKeyResponse("busy", []);
    }
    const target = this.#out.room(header.length + payload.length);
    const { at } = this.#out;
    writeHeader(target, at, messageId, command.keyRequestResponse, payload.length);
    payload.copy(target, at + header.length);
    payload.fill(0);
    const { length } = payload;
    this.#flow.waits(length);
    this.#out.commit(at + header.length + length, (how) => {
      this.#flow.taken(length);
      reply[how]?.();
    });
  }

  /** Answers what can't be followed, then ends the connection once that has gone out. */
  #refuse(messageId: number, { code, message, facts }: Fault): void {
    this.#respond(messageId, { response: "invalid_message", keys: [] }, 0);
    this.#finish(new Fault(code, message, { source: this.#options.where, ...facts }));
    this.#out.end();
    const timer = this.#options.clock.after(closeTimeout, () => this.#socket.destroy());
    this.#socket.once("close", () => {
      timer.cancel();
      this.#out.drop();
    });
  }

  #turn(): number {
    if (this.#now === undefined) {
      this.#now = this.#options.clock.now();
      queueMicrotask(() => {
        this.#now = undefined;
      });
    }
    return this.#now;
  }

  /** Looks whether the KM still answers, once its time may be up. */
  #watch(ms: number): Timer {
    const { clock, answerTimeout, where } = this.#options;
    return clock.after(ms, () => {
      this.#timer = undefined;
      const { oldest } = this.#pending;
      if (oldest === undefined || this.#over) return;
      const left = this.#patience.look(oldest, clock.now());
      if (typeof left === "number") {
        this.#timer = this.#watch(left);
      } else {
        const outstanding = this.#pending.size;
        const facts = { source: where, limit_ms: answerTimeout, outstanding };
        this.#fail(new Fault("kq1.timeout", left, facts));
      }
    });
  }

  #watchFrame(): Timer {
    return this.#options.clock.after(frameTimeout, () =>
      this.#late("KM does not finish its message", frameTimeout),
    );
  }

  #forgetFrame(): void {
    this.#frameTimer?.cancel();
    this.#frameTimer = undefined;
  }

  #late(what: string, limit: number): void {
    const facts = { source: this.#options.where, limit_ms: limit };
    this.#fail(new Fault("kq1.timeout", what, facts));
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#finish(fault);
    this.#out.drop();
    this.#socket.destroy();
  }

  #finish(fault: Fault | undefined): void {
    const unheardOf = this.#pending.size > 0 && this.#answers === 0 && !this.#halted;
    if (fault !== undefined && unheardOf) this.#heard.notTheKm(unheard(fault));
    this.#over = true;
    this.#timer?.cancel();
    this.#forgetFrame();
    this.#flow.stop();
    // Its end is heard, and what else comes is thrown away.
    this.#socket.resume();
    this.#deframer.wipe();
    this.#pending.clear();
    this.#end(fault);
  }
}

function certificateOf(socket: Socket) {
  return "getPeerCertificate" in socket ? (socket as TLSSocket).getPeerCertificate() : undefined;
}

function isResponse(code: unknown): boolean {
  return code === command.keySupplyResponse || code === command.keyRequestResponse;
}

function closed(source: string, why: string): Fault {
  return new Fault("kq1.closed", "connection to the KM ended", { source, why });
}
