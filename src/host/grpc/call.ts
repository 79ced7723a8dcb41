/** One call of gRPC, at either end: messages both ways, bounded, and one status at its end. */
import { constants, type Http2Session, type Http2Stream } from "node:http2";
import type { Clock, Timer } from "../../base/clock.ts";
import { Reading, type ReadingLimits } from "../door/reading.ts";
import { MessageCutter, prefixed } from "./message-cutter.ts";
import { GrpcError, grpcStatus } from "./status.ts";

export interface CallLimits extends ReadingLimits {
  /** Bytes of a message that comes. */
  readonly message: number;
}

export interface CallHandlers {
  /** @param message valid only until this returns */
  onMessage(message: Buffer): void;
  /** The other end sends no more messages, and may still be sent some. */
  onHalfEnd?(): void;
  /** What came can't be followed; nothing more is read. Default: the call fails. */
  onBroken?(why: GrpcError): void;
  /** Once, and nothing after it. @param why undefined: it ended in order */
  onEnd(why: GrpcError | undefined): void;
}

export class GrpcCall {
  readonly #stream: Http2Stream;
  readonly #session: Http2Session | undefined;
  readonly #reading: Reading;
  readonly #clock: Clock;
  readonly #handlers: CallHandlers;
  readonly #cutter: MessageCutter;
  readonly #timers: Timer[] = [];
  #since: number | undefined;
  #status: GrpcError | "ok" | undefined;
  #isBroken = false;
  #isOver = false;

  /** @param stream this call's from now on */
  constructor(stream: Http2Stream, limits: CallLimits, clock: Clock, handlers: CallHandlers) {
    this.#stream = stream;
    this.#session = stream.session;
    this.#reading = new Reading(stream, limits, clock, () => {
      this.fail(new GrpcError(grpcStatus.unavailable, "the other end reads nothing"));
    });
    this.#clock = clock;
    this.#handlers = handlers;
    let messages = 0;
    this.#cutter = new MessageCutter(limits.message, (message) => {
      messages++;
      if (!this.#isOver) handlers.onMessage(message);
    });
    stream.on("data", (chunk: Buffer) => {
      if (this.#isOver || this.#isBroken) return;
      const before = messages;
      try {
        this.#cutter.push(chunk);
      } catch (error) {
        if (!(error instanceof GrpcError)) throw error;
        return this.#broken(error);
      }
      if (!this.#cutter.isWithin) this.#since = undefined;
      else if (this.#since === undefined || messages !== before) this.#since = clock.now();
      this.#reading.came(chunk.length);
    });
    stream.on("end", () => {
      if (this.#isOver) return;
      if (this.#cutter.isWithin) {
        return this.fail(
          new GrpcError(grpcStatus.internal, "the other end ended within a message"),
        );
      }
      handlers.onHalfEnd?.();
    });
    stream.on("error", () => {});
    stream.on("close", () => this.#closed());
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Since when a message is begun and not complete, monotonic ms. */
  get since(): number | undefined {
    return this.#since;
  }

  /** Bytes that wait for the other end. */
  get waiting(): number {
    return this.#reading.waiting;
  }

  /** Does nothing once the call is over. */
  send(message: Uint8Array): void {
    const stream = this.#stream;
    if (this.#isOver || stream.destroyed || stream.writableEnded) return;
    const bytes = prefixed(message);
    this.#reading.writes(bytes.length);
    stream.write(bytes, () => this.#reading.taken(bytes.length));
  }

  /** This end sends no more messages; at a server the status follows. */
  endSending(): void {
    if (!this.#stream.destroyed && !this.#stream.writableEnded) this.#stream.end();
  }

  /** What the status is, as soon as it is known: told at the end. */
  told(status: GrpcError | "ok"): void {
    this.#status ??= status;
  }

  /** Ends the call at once. @param why is told here; the other end sees a stream that was reset */
  fail(why: GrpcError): void {
    if (this.#isOver) return;
    this.#status = why;
    const code =
      why.status === grpcStatus.internal
        ? constants.NGHTTP2_INTERNAL_ERROR
        : constants.NGHTTP2_CANCEL;
    if (!this.#stream.destroyed) this.#stream.close(code);
    this.#closed();
  }

  /** Ends the call when the time is over, ms. */
  limit(ms: number, act: () => void): void {
    this.#timers.push(this.#clock.after(ms, act));
  }

  #broken(why: GrpcError): void {
    this.#isBroken = true;
    this.#since = undefined;
    if (this.#handlers.onBroken === undefined) this.fail(why);
    else this.#handlers.onBroken(why);
  }

  #closed(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#reading.end();
    for (const timer of this.#timers) timer.cancel();
    this.#handlers.onEnd(this.#outcome());
  }

  #outcome(): GrpcError | undefined {
    if (this.#status === "ok") return undefined;
    if (this.#status !== undefined) return this.#status;
    // Also a stream that was reset with NO_ERROR: Node.js tells it as an end in order.
    const { rstCode } = this.#stream;
    if (this.#session?.destroyed) {
      return new GrpcError(grpcStatus.unavailable, "the connection is over");
    }
    if (rstCode === constants.NGHTTP2_CANCEL) {
      return new GrpcError(grpcStatus.cancelled, "the other end gave the call up");
    }
    return new GrpcError(grpcStatus.unavailable, "the call ended without a status");
  }
}
