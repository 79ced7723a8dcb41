/**
 * One connection over which a KM is told how modules are (Kq-2), used once. What is told, and when, is decided in
 * `kq2/teller.ts`; a new connection is made by `kq2/km-telling.ts`.
 */
import type { Socket } from "node:net";
import type { Clock, Timer } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { connectionReason } from "../../host/tls/reason.ts";
import { KqDeframer, type KqFrame } from "../../wire/kq1/frame.ts";
import { frameOf } from "../../wire/kq2/frame.ts";
import { command, limits, times } from "../../wire/kq2/names.ts";
import { decodeResponse, type StatusResponse } from "../../wire/kq2/status.ts";

export interface Kq2SessionOptions {
  /** `host:port`, for messages */
  readonly where: string;
  readonly clock: Clock;
  /** The KM answered for the Status of this module. */
  readonly answered: (module: string, response: StatusResponse) => void;
}

/** A socket that takes bytes closes in this time, ms; else it is destroyed. */
const closeTimeout = 500;

interface Waiting {
  readonly module: string;
  readonly at: number;
}

export class Kq2Session {
  /** Resolves with why it ended; undefined if it was closed from here. */
  readonly ended: Promise<Error | undefined>;
  readonly #socket: Socket;
  readonly #options: Kq2SessionOptions;
  readonly #end = Promise.withResolvers<Error | undefined>();
  /** Without a response yet, by MessageID: the oldest first. */
  readonly #waiting = new Map<number, Waiting>();
  #messageId = 0;
  #timer: Timer | undefined;
  #over = false;

  /** @param socket connected, authenticated on both sides, and of the application protocol of Kq-2 */
  constructor(socket: Socket, options: Kq2SessionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.ended = this.#end.promise;
    const deframer = new KqDeframer((frame) => this.#heard(frame), "kq2.frame");
    socket.on("data", (chunk: Buffer) => {
      if (this.#over) return;
      try {
        deframer.push(chunk);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        this.#fail(error);
      }
    });
    const closed = (why: string) =>
      this.#fail(
        new Fault("kq2.closed", "connection to the KM ended", { source: options.where, why }),
      );
    socket.on("error", (error) => closed(connectionReason(error, "KM")));
    socket.on("close", () => closed("closed by the KM"));
  }

  /** Status messages that may be sent now. */
  get room(): number {
    return this.#over ? 0 : limits.unanswered - this.#waiting.size;
  }

  /** @param payload of a Status of this module, of which no other is unanswered */
  send(module: string, payload: Buffer): void {
    if (this.#over) return;
    const { clock } = this.#options;
    this.#messageId = this.#messageId === 0xffff_ffff ? 1 : this.#messageId + 1;
    this.#waiting.set(this.#messageId, { module, at: clock.now() });
    this.#socket.write(frameOf(this.#messageId, command.status, payload));
    this.#timer ??= clock.after(times.answer, () => this.#look());
  }

  /** Ends the connection at once, for a reason of the node's. */
  abandon(why: Fault): void {
    this.#fail(why);
  }

  /** Ends the connection within a second. Never rejects. */
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

  /** @throws Fault `kq2.frame`, `kq2.message` */
  #heard({ messageId, command: code, payload }: KqFrame): void {
    if (this.#over) return;
    const waiting = this.#waiting.get(messageId);
    if (code !== command.statusResponse || waiting === undefined) {
      const facts = { source: this.#options.where, command: code, message_id: messageId };
      throw new Fault("kq2.frame", "the KM answers to what it was not told", facts);
    }
    const response = decodeResponse(payload);
    this.#waiting.delete(messageId);
    this.#options.answered(waiting.module, response);
  }

  /** Looks whether the oldest was answered in time. */
  #look(): void {
    this.#timer = undefined;
    if (this.#over) return;
    const [oldest] = this.#waiting.values();
    if (oldest === undefined) return;
    const { clock, where } = this.#options;
    const left = oldest.at + times.answer - clock.now();
    if (left > 0) {
      this.#timer = clock.after(left, () => this.#look());
      return;
    }
    const facts = { source: where, limit_ms: times.answer };
    this.#fail(new Fault("kq2.timeout", "the KM does not answer for a status", facts));
  }

  #fail(fault: Fault): void {
    if (this.#over) return;
    this.#finish(fault);
    this.#socket.destroy();
  }

  #finish(fault: Fault | undefined): void {
    this.#over = true;
    this.#timer?.cancel();
    this.#waiting.clear();
    // Its end is heard, and what else comes is thrown away.
    this.#socket.resume();
    this.#end.resolve(fault);
  }
}
