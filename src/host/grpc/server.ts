/** The server's end of one connection of gRPC, over TLS that is there: calls by their path, all of them bounded. */
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import { type Clock, every, type Timer } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type CallHandlers, type CallLimits, GrpcCall } from "./call.ts";
import { sessionLimits, sessionSettings } from "./client.ts";
import { encodeText, GrpcError, grpcStatus, readTimeout } from "./status.ts";

/** The server's end of a call that goes on. */
export interface ServerCall {
  send(message: Uint8Array): void;
  /** Since when a message is begun and not complete, monotonic ms. */
  readonly since: number | undefined;
  /** Ends the call with a status. */
  finish(why: GrpcError | undefined): void;
}

export type GrpcMethod =
  | {
      readonly kind: "unary";
      /** @param message valid only until this returns its promise @throws GrpcError; any other is INTERNAL */
      readonly serve: (message: Buffer) => Promise<Uint8Array>;
    }
  | { readonly kind: "stream"; readonly open: (call: ServerCall) => CallHandlers };

export interface GrpcConnectionOptions {
  /** Authenticated, and `h2` was agreed on; this connection's from now on. */
  readonly socket: TLSSocket;
  /** What is at a path `/package.Service/Method`; undefined: nothing. */
  readonly method: (path: string) => GrpcMethod | undefined;
  readonly limits: CallLimits;
  /** Calls at once. */
  readonly mostCalls: number;
  /** The one message of a unary call has come within this, ms. */
  readonly messageMs: number;
  /** A client of which nothing was heard for so long is asked, and answers within the same, ms. */
  readonly quietMs: number;
  readonly clock: Clock;
  /** Once. @param why code of the system or of HTTP/2; undefined: in order */
  readonly onEnd: (why: string | undefined) => void;
}

/** After the status a client has so long to end its half of a call, ms. */
const lingerMs = 1_000;
/** What a call costs beside its messages, as bytes of the client's pace. */
const callBytes = 1_024;
/** A connection that is closed in order ends within this, ms. */
const closeMs = 500;

export class GrpcConnection {
  readonly #options: GrpcConnectionOptions;
  readonly #session: ServerHttp2Session;
  readonly #watch: Timer;
  #late: Timer | undefined;
  #bytesRead = 0;
  #heardAt: number;
  #isAsked = false;
  #why: string | undefined;
  #isOver = false;

  constructor(options: GrpcConnectionOptions) {
    this.#options = options;
    const { socket, mostCalls, clock, quietMs } = options;
    this.#heardAt = clock.now();
    this.#session = performServerHandshake(socket, {
      ...sessionLimits,
      settings: { ...sessionSettings, maxConcurrentStreams: mostCalls },
    });
    this.#session.on("stream", (stream, headers) => this.#begin(stream, headers));
    this.#session.on("error", (error) => {
      this.#why ??= errorCode(error) ?? "other";
    });
    this.#session.on("close", () => this.#over());
    socket.on("error", () => {});
    socket.on("close", () => this.#over());
    this.#watch = every(clock, quietMs / 2, () => this.#look());
    if (socket.destroyed) this.#over();
  }

  /** Ends it within half a second; no more calls are taken. */
  close(): void {
    if (this.#isOver) return;
    this.#session.close();
    this.#late ??= this.#options.clock.after(closeMs, () => this.#session.destroy());
  }

  /** Ends it at once. @param why in a few words */
  cut(why: string): void {
    this.#why ??= why;
    this.#session.destroy();
  }

  #over(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#watch.cancel();
    this.#late?.cancel();
    if (!this.#session.destroyed) this.#session.destroy();
    this.#options.socket.destroy();
    this.#options.onEnd(this.#why);
  }

  #look(): void {
    const { socket, clock, quietMs } = this.#options;
    const now = clock.now();
    if (socket.bytesRead !== this.#bytesRead) {
      this.#bytesRead = socket.bytesRead;
      this.#heardAt = now;
      this.#isAsked = false;
    }
    const quiet = now - this.#heardAt;
    if (quiet >= 2 * quietMs) return this.cut("client is silent");
    if (quiet < quietMs || this.#isAsked || this.#session.destroyed) return;
    this.#isAsked = true;
    this.#session.ping(() => {});
  }

  /** Calls that come too fast wait: as only so many are open at once, the client waits with the next ones. */
  #begin(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    stream.on("error", () => {});
    const ms = this.#options.limits.pace?.take(callBytes) ?? 0;
    if (ms <= 0) return this.#call(stream, headers);
    const timer = this.#options.clock.after(ms, () => this.#call(stream, headers));
    stream.once("close", () => timer.cancel());
  }

  #call(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    const type = headers["content-type"] ?? "";
    if (headers[":method"] !== "POST" || !/^application\/grpc(\+proto)?($|;)/.test(type)) {
      const http = headers[":method"] === "POST" ? 415 : 405;
      stream.respond({ ":status": http }, { endStream: true });
      return stream.close(constants.NGHTTP2_NO_ERROR);
    }
    const method = this.#options.method(headers[":path"] ?? "");
    if (method === undefined) {
      return refuse(stream, new GrpcError(grpcStatus.unimplemented, "there is no such method"));
    }
    if ((headers["grpc-encoding"] ?? "identity") !== "identity") {
      const why = "compressed messages are not supported";
      return refuse(stream, new GrpcError(grpcStatus.unimplemented, why));
    }
    const timeout = headers["grpc-timeout"];
    const withinMs = typeof timeout === "string" ? readTimeout(timeout) : undefined;
    if (timeout !== undefined && withinMs === undefined) {
      return refuse(stream, new GrpcError(grpcStatus.internal, "grpc-timeout is no time"));
    }
    const served = new Served(stream, this.#options);
    if (method.kind === "stream") served.open(method.open);
    else served.unary(method.serve);
    if (withinMs !== undefined) served.limit(withinMs);
  }
}

const contentType = "application/grpc+proto";

function trailersOf(why: GrpcError | undefined) {
  if (why === undefined) return { "grpc-status": "0" };
  return { "grpc-status": String(why.status), "grpc-message": encodeText(why.message) };
}

/** Answers with a status and nothing else. */
function refuse(stream: ServerHttp2Stream, why: GrpcError): void {
  const head = { ":status": 200, "content-type": contentType, ...trailersOf(why) };
  stream.respond(head, { endStream: true });
  stream.close(constants.NGHTTP2_NO_ERROR);
}

/** One call at its server. */
class Served implements ServerCall {
  readonly #stream: ServerHttp2Stream;
  readonly #options: GrpcConnectionOptions;
  #call: GrpcCall | undefined;
  #isFinished = false;
  #outcome: GrpcError | undefined;

  constructor(stream: ServerHttp2Stream, options: GrpcConnectionOptions) {
    this.#stream = stream;
    this.#options = options;
    stream.respond({ ":status": 200, "content-type": contentType }, { waitForTrailers: true });
    stream.on("wantTrailers", () => {
      if (!stream.destroyed) stream.sendTrailers(trailersOf(this.#outcome));
    });
  }

  get since(): number | undefined {
    return this.#call?.since;
  }

  send(message: Uint8Array): void {
    this.#call?.send(message);
  }

  finish(why: GrpcError | undefined): void {
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#outcome = why;
    this.#call?.told(why ?? "ok");
    this.#call?.endSending();
    // A client that does not end its half of the call would keep its place.
    this.#call?.limit(lingerMs, () => {
      if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_NO_ERROR);
    });
  }

  limit(ms: number): void {
    this.#call?.limit(ms, () => {
      this.finish(new GrpcError(grpcStatus.deadlineExceeded, "the time of the call is over"));
    });
  }

  open(open: (call: ServerCall) => CallHandlers): void {
    const handlers = open(this);
    this.#begin(handlers);
  }

  unary(serve: (message: Buffer) => Promise<Uint8Array>): void {
    let messages = 0;
    const call = this.#begin({
      onMessage: (message) => {
        messages++;
        if (messages > 1) return this.finish(twoMessages());
        serve(message).then(
          (answer) => {
            if (this.#isFinished) return;
            this.send(answer);
            this.finish(undefined);
          },
          (error) => this.finish(error instanceof GrpcError ? error : internal()),
        );
      },
      onHalfEnd: () => {
        if (messages === 0) this.finish(noMessage());
      },
      onEnd: () => {},
    });
    call.limit(this.#options.messageMs, () => {
      if (messages === 0) this.finish(noMessage());
    });
  }

  #begin(handlers: CallHandlers): GrpcCall {
    const { limits, clock } = this.#options;
    const call = new GrpcCall(this.#stream, limits, clock, {
      onMessage: (message) => handlers.onMessage(message),
      onHalfEnd: () => handlers.onHalfEnd?.(),
      onEnd: (why) => handlers.onEnd(why),
      // The client is told why, where a reset stream would say nothing.
      onBroken: (why) => this.finish(why),
    });
    this.#call = call;
    // It may have been finished while it was opened.
    if (this.#isFinished) {
      call.told(this.#outcome ?? "ok");
      call.endSending();
    }
    return call;
  }
}

const noMessage = () => new GrpcError(grpcStatus.invalidArgument, "the call has no message");
const twoMessages = () => new GrpcError(grpcStatus.invalidArgument, "the call has two messages");
/** What went wrong inside is not for the other end. */
const internal = () => new GrpcError(grpcStatus.internal, "internal error");
