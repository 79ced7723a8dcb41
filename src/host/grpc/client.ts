/** The client's end of a connection of gRPC, over TLS that is there. It knows bytes alone: what is in them is for its owner. */
import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { errorCode } from "../../base/errors.ts";
import { type CallHandlers, type CallLimits, GrpcCall } from "./call.ts";
import { GrpcError, grpcStatus, statusIn, statusOfHttp, timeoutText } from "./status.ts";

export interface GrpcClientOptions {
  /** Authenticated, and `h2` was agreed on; this client's from now on. */
  readonly socket: TLSSocket;
  /** Name of the server, as in its certificate. */
  readonly authority: string;
  readonly limits: CallLimits;
  readonly clock: Clock;
  /** Once, when the connection is over. @param why code of the system or of HTTP/2; undefined: in order */
  readonly onEnd: (why: string | undefined) => void;
}

/** Of HTTP/2: bounded as what any peer may have of us. */
export const sessionLimits = {
  maxSessionMemory: 8,
  maxHeaderListPairs: 64,
  maxOutstandingPings: 4,
  maxSettings: 32,
  maxSessionInvalidFrames: 16,
  maxSessionRejectedStreams: 16,
} as const;
export const sessionSettings = { initialWindowSize: 262_144, maxHeaderListSize: 16_384 } as const;

export class GrpcClient {
  readonly #options: GrpcClientOptions;
  readonly #session: ClientHttp2Session;
  #isOver = false;

  constructor(options: GrpcClientOptions) {
    this.#options = options;
    const { socket, authority } = options;
    this.#session = connect(`https://${authority}`, {
      ...sessionLimits,
      createConnection: () => socket,
      settings: { ...sessionSettings, enablePush: false },
    });
    let why: string | undefined;
    this.#session.on("error", (error) => {
      why ??= errorCode(error) ?? "other";
    });
    this.#session.on("goaway", (code: number) => {
      if (code !== constants.NGHTTP2_NO_ERROR) why ??= `GOAWAY ${code}`;
      // No call can be begun on it any more.
      this.#session.close();
    });
    const over = () => {
      if (this.#isOver) return;
      this.#isOver = true;
      socket.destroy();
      options.onEnd(why);
    };
    this.#session.on("close", over);
    // A socket that was closed before anything listened.
    if (socket.destroyed) this.#session.destroy();
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /**
   * Begins a call.
   * @param path `/package.Service/Method`
   * @param withinMs the whole call; undefined: it has no end
   * @returns undefined if the connection takes no more calls: nothing is told then
   */
  open(path: string, handlers: CallHandlers, withinMs?: number): GrpcCall | undefined {
    const { limits, clock, authority } = this.#options;
    const session = this.#session;
    if (this.#isOver || session.closed || session.destroyed) return undefined;
    let stream: ClientHttp2Stream;
    try {
      stream = session.request({
        ":method": "POST",
        ":scheme": "https",
        ":authority": authority,
        ":path": path,
        te: "trailers",
        "content-type": "application/grpc+proto",
        ...(withinMs !== undefined && { "grpc-timeout": timeoutText(withinMs) }),
      });
    } catch {
      return undefined;
    }
    const call = new GrpcCall(stream, limits, clock, handlers);
    stream.on("response", (headers) => heardHead(call, headers));
    stream.on("trailers", (headers) => {
      const status = statusIn(headers);
      if (status !== undefined) call.told(status);
      // The server has said all: what this end still has to send is of no use.
      call.endSending();
    });
    if (withinMs !== undefined) {
      call.limit(withinMs, () => {
        call.fail(new GrpcError(grpcStatus.deadlineExceeded, `no answer within ${withinMs} ms`));
      });
    }
    return call;
  }

  /** One message, one answer. @throws GrpcError */
  unary(path: string, message: Uint8Array, withinMs: number): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const answers: Buffer[] = [];
      const call = this.open(
        path,
        {
          onMessage(bytes) {
            answers.push(Buffer.from(bytes));
            if (answers.length === 1) return;
            call?.fail(new GrpcError(grpcStatus.internal, "two answers to one call"));
          },
          onEnd(why) {
            const [answer] = answers;
            if (why !== undefined) reject(why);
            else if (answer !== undefined) resolve(answer);
            else reject(new GrpcError(grpcStatus.internal, "OK without an answer"));
          },
        },
        withinMs,
      );
      if (call === undefined) {
        return reject(new GrpcError(grpcStatus.unavailable, "the connection is over"));
      }
      call.send(message);
      call.endSending();
    });
  }

  /** Ends it at once; calls end as they would if it broke. */
  close(): void {
    this.#session.destroy();
  }
}

function heardHead(call: GrpcCall, headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
  const status = statusIn(headers);
  if (status !== undefined) return call.told(status);
  const http = headers[":status"] ?? 0;
  const type = headers["content-type"] ?? "";
  const encoding = headers["grpc-encoding"] ?? "identity";
  if (http !== 200) {
    call.fail(new GrpcError(statusOfHttp(http), `status ${http} of HTTP instead of gRPC`));
  } else if (!type.startsWith("application/grpc")) {
    call.fail(new GrpcError(grpcStatus.unknown, "the answer is not of gRPC"));
  } else if (encoding !== "identity") {
    call.fail(
      new GrpcError(grpcStatus.internal, "the answer is compressed, which was not asked for"),
    );
  }
}
