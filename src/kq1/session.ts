/**
 * One connection to a KM over TCP or TLS (Annex A), used once: it supplies keys, a window of them
 * outstanding, and hands on the answers. Whoever holds it makes a new one after it ended.
 */
import type { Socket } from "node:net";
import type { KeyDesk, KmLink, KmSink } from "../custody/ports.ts";
import type { Clock, Timer } from "../port/clock.ts";
import { Fault } from "../port/errors.ts";
import type { QkdKey } from "../port/key.ts";
import type { Log } from "../port/log.ts";
import { parseSupplyAnswer } from "./answer.ts";
import { KqDeframer, type KqFrame, writeHeader } from "./frame.ts";
import { command, header } from "./names.ts";
import { connectionReason } from "./reason.ts";
import {
  type KeyRequestMessage,
  keysThatFit,
  parseKeyRequest,
  slotOf,
  writeKeyResponse,
} from "./request.ts";
import { SupplyWriter } from "./supply.ts";

export interface Kq1SessionOptions {
  /** `host:port`, for logs */
  readonly where: string;
  readonly moduleId: string;
  readonly matchingModuleId: string;
  /** Most keys outstanding. */
  readonly window: number;
  /** The KM answers within this time or the connection is given up, ms. */
  readonly answerTimeoutMs: number;
  /** Where the KM may ask for keys (§7.2); undefined in proactive mode. */
  readonly desk?: KeyDesk;
  /** The KM's name, as its certificate proved it. */
  readonly kmName?: string;
  readonly clock: Clock;
  readonly log: Log;
}

/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeTimeout = 500;
/** Grows to what a window of keys takes. */
const batchLength = 16_384;
/** Key requests of the KM outstanding; one more is told to wait. */
const maxRequests = 256;

export class Kq1Session implements KmLink {
  readonly ended: Promise<Error | undefined>;
  readonly #socket: Socket;
  readonly #options: Kq1SessionOptions;
  readonly #sink: KmSink;
  readonly #writer: SupplyWriter;
  readonly #deframer: KqDeframer;
  #end!: (error: Error | undefined) => void;
  #over = false;
  /** MessageID → key_ID of each unanswered supply, oldest first, with its time. */
  readonly #pending = new Map<number, { readonly keyId: string; readonly at: number }>();
  #messageId = 0;
  /** Key requests that wait for their answer. */
  #requests = 0;
  #timer: Timer | undefined;
  /** Messages of this turn, in memory of their own: the allocator's pool can't be wiped. */
  #batch = Buffer.allocUnsafeSlow(batchLength);
  #otherBatch = Buffer.allocUnsafeSlow(batchLength);
  #filled = 0;
  #flushQueued = false;
  #writing = false;

  /** @param socket connected and, with TLS, authenticated on both sides */
  constructor(socket: Socket, options: Kq1SessionOptions, sink: KmSink) {
    this.#socket = socket;
    this.#options = options;
    this.#sink = sink;
    this.#writer = new SupplyWriter(options.moduleId, options.matchingModuleId);
    this.#deframer = new KqDeframer((frame) => this.#frame(frame));
    this.ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    socket.on("data", (chunk: Buffer) => this.#data(chunk));
    socket.on("error", (error) => this.#fail(closed(options.where, connectionReason(error))));
    socket.on("close", () => this.#fail(closed(options.where, "closed by the KM")));
  }

  get room(): number {
    return this.#over ? 0 : this.#options.window - this.#pending.size;
  }

  supply(key: QkdKey): void {
    const messageId = this.#messageId;
    const target = this.#room(this.#writer.bound(key));
    this.#filled = this.#writer.write(target, this.#filled, messageId, key);
    this.#messageId = (messageId + 1) >>> 0;
    this.#pending.set(messageId, { keyId: key.id, at: this.#options.clock.now() });
    this.#flushSoon();
    this.#timer ??= this.#watch(this.#options.answerTimeoutMs);
  }

  /** Ends the connection within a second; unanswered keys stay the caller's. Never rejects. */
  async close(): Promise<void> {
    if (!this.#over) {
      this.#finish(undefined);
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

  /** The batch, with room for that many bytes at `filled`. */
  #room(bytes: number): Buffer {
    const needed = this.#filled + bytes;
    if (needed <= this.#batch.length) return this.#batch;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#batch.length));
    this.#batch.copy(larger, 0, 0, this.#filled);
    this.#batch.fill(0, 0, this.#filled);
    this.#batch = larger;
    return larger;
  }

  #flushSoon(): void {
    if (this.#flushQueued) return;
    this.#flushQueued = true;
    queueMicrotask(() => this.#flush());
  }

  /**
   * Writes what was supplied in this turn at once: a TLS record for each key would cost more. It is one
   * piece of memory, and one write at a time: given several, Node.js puts them together in memory of
   * its own, which nobody wipes.
   */
  #flush(): void {
    this.#flushQueued = false;
    if (this.#writing || this.#filled === 0) return;
    const bytes = this.#batch.subarray(0, this.#filled);
    if (this.#over) {
      bytes.fill(0);
      this.#filled = 0;
      return;
    }
    // What comes meanwhile is written into the other.
    [this.#batch, this.#otherBatch] = [this.#otherBatch, this.#batch];
    this.#filled = 0;
    this.#writing = true;
    this.#socket.write(bytes, () => {
      bytes.fill(0);
      this.#writing = false;
      this.#flush();
    });
  }

  #data(chunk: Buffer): void {
    if (this.#over) return;
    try {
      this.#deframer.push(chunk);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#fail(error);
    }
    chunk.fill(0);
  }

  #frame(frame: KqFrame): void {
    if (this.#over) return;
    if (frame.command === command.keyRequest) return this.#requested(frame);
    if (frame.command !== command.keySupplyResponse) {
      throw new Fault("kq1.frame", "unexpected command of the KM", {
        source: this.#options.where,
        command: frame.command,
      });
    }
    const pending = this.#pending.get(frame.messageId);
    if (pending === undefined) {
      throw new Fault("kq1.message", "answer to a message that is not outstanding", {
        source: this.#options.where,
        message_id: frame.messageId,
      });
    }
    const answer = parseSupplyAnswer(frame.payload);
    // A `success` under another ID proves nothing about this key.
    if (answer.keyId !== undefined && answer.keyId !== pending.keyId) {
      throw new Fault("kq1.message", "answer names another key_ID than its message", {
        source: this.#options.where,
        key_ID: pending.keyId,
      });
    }
    this.#pending.delete(frame.messageId);
    this.#sink.answered(pending.keyId, answer.response);
  }

  /** The KM asks for keys. A request that can't be read is answered, and ends the connection. */
  #requested(frame: KqFrame): void {
    const { messageId } = frame;
    const { desk, kmName = "", moduleId, where } = this.#options;
    let request: KeyRequestMessage;
    try {
      if (desk === undefined) throw new Fault("kq1.message", "key request in proactive mode");
      request = parseKeyRequest(frame.payload);
    } catch (error) {
      if (!(error instanceof Fault)) throw error;
      this.#respond(messageId, writeKeyResponse("invalid_message", []));
      this.#hangUp(new Fault(error.code, error.message, { source: where, ...error.facts }));
      return;
    }
    if (this.#requests >= maxRequests) {
      this.#respond(messageId, writeKeyResponse("busy", []));
      return;
    }
    this.#requests++;
    const { number, size } = request;
    const most = keysThatFit(size);
    const slot = slotOf(kmName, moduleId, `tcp ${messageId}`);
    void desk.request({ slot, number, size, most, repeatable: true }).then(({ response, keys }) => {
      this.#requests--;
      const left = keys.length === most ? number - keys.length : 0;
      this.#respond(messageId, writeKeyResponse(response, keys, left));
    });
  }

  #respond(messageId: number, payload: Buffer): void {
    if (this.#over) {
      payload.fill(0);
      return;
    }
    const length = header.length + payload.length;
    const target = this.#room(length);
    writeHeader(target, this.#filled, messageId, command.keyRequestResponse, payload.length);
    payload.copy(target, this.#filled + header.length);
    this.#filled += length;
    payload.fill(0);
    this.#flushSoon();
  }

  /** Looks at the oldest unanswered supply once its time may be up. */
  #watch(ms: number): Timer {
    const { clock, answerTimeoutMs, where } = this.#options;
    return clock.after(ms, () => {
      this.#timer = undefined;
      const oldest = this.#pending.values().next().value;
      if (oldest === undefined || this.#over) return;
      const left = oldest.at + answerTimeoutMs - clock.now();
      if (left > 0) {
        this.#timer = this.#watch(left);
      } else {
        this.#fail(
          new Fault("kq1.timeout", "KM does not answer", {
            source: where,
            limit_ms: answerTimeoutMs,
            outstanding: this.#pending.size,
          }),
        );
      }
    });
  }

  /** Ends the connection once what was written last has gone out. */
  #hangUp(fault: Fault): void {
    this.#flush();
    this.#finish(fault);
    this.#socket.end();
    const timer = this.#options.clock.after(closeTimeout, () => this.#socket.destroy());
    this.#socket.once("close", () => timer.cancel());
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#finish(fault);
    this.#socket.destroy();
  }

  #finish(fault: Fault | undefined): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#deframer.wipe();
    this.#pending.clear();
    this.#batch.fill(0, 0, this.#filled);
    this.#filled = 0;
    this.#end(fault);
  }
}

function closed(source: string, why: string): Fault {
  return new Fault("kq1.closed", "connection to the KM ended", { source, why });
}
