import { once } from "node:events";
import {
  connect as connectHttp2,
  constants,
  performServerHandshake,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { connect as connectTls, createServer, type TLSSocket } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { type Clock, systemClock } from "../../../../src/base/clock.ts";
import { GrpcClient } from "../../../../src/host/grpc/client.ts";
import { prefixed } from "../../../../src/host/grpc/message-cutter.ts";
import {
  GrpcConnection,
  type GrpcMethod,
  type ServerCall,
} from "../../../../src/host/grpc/server.ts";
import { GrpcError, grpcStatus } from "../../../../src/host/grpc/status.ts";
import { ManualClock } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

const limits = { message: 100_000, waiting: 200_000, stalledMs: 5_000 };
const never = new Promise<Uint8Array>(() => {});

interface Bench {
  readonly client: GrpcClient;
  readonly ends: (string | undefined)[];
  /** Of connections, as the server saw them. */
  readonly served: (string | undefined)[];
  readonly calls: ServerCall[];
  readonly heard: Buffer[];
  readonly callEnds: (GrpcError | undefined)[];
  open(): Promise<TLSSocket>;
}

/** A client and a server over real TLS. @param hand a server of its own: what it does with a socket */
async function withGrpc(
  body: (bench: Bench) => Promise<void>,
  { clock = systemClock, hand }: { clock?: Clock; hand?: (socket: TLSSocket) => void } = {},
): Promise<void> {
  const ca = await createAuthority("gRPC CA");
  const tls = { ...(await ca.issue({ commonName: "s", dns: ["s"], usage: "both" })), ca: ca.cert };
  const [ends, served, calls, heard, callEnds] = [[], [], [], [], []] as unknown as [
    (string | undefined)[],
    (string | undefined)[],
    ServerCall[],
    Buffer[],
    (GrpcError | undefined)[],
  ];
  const methods: Readonly<Record<string, GrpcMethod>> = {
    "/t.T/Echo": { kind: "unary", serve: async (message) => Buffer.from(message) },
    "/t.T/Never": { kind: "unary", serve: () => never },
    "/t.T/Wrong": {
      kind: "unary",
      serve: () => Promise.reject(new GrpcError(grpcStatus.invalidArgument, "größe is odd")),
    },
    "/t.T/Defect": { kind: "unary", serve: () => Promise.reject(new Error("secret")) },
    "/t.T/Stream": {
      kind: "stream",
      open: (call) => {
        calls.push(call);
        return {
          onMessage: (message) => void heard.push(Buffer.from(message)),
          onHalfEnd: () => call.finish(undefined),
          onEnd: (why) => void callEnds.push(why),
        };
      },
    },
  };
  const connections: GrpcConnection[] = [];
  const server = createServer({ ...tls, requestCert: true, ALPNProtocols: ["h2"] }, (socket) => {
    socket.on("error", () => {});
    if (hand !== undefined) return hand(socket);
    connections.push(
      new GrpcConnection({
        socket,
        method: (path) => methods[path],
        limits,
        mostCalls: 8,
        messageMs: 2_000,
        quietMs: 10_000,
        clock,
        onEnd: (why) => served.push(why),
      }),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const sockets: TLSSocket[] = [];
  const open = async () => {
    const socket = connectTls({ port, ...tls, servername: "s", ALPNProtocols: ["h2"] });
    sockets.push(socket);
    socket.on("error", () => {});
    await once(socket, "secureConnect");
    return socket;
  };
  const socket = await open();
  const client = new GrpcClient({
    socket,
    authority: "s",
    limits,
    clock,
    onEnd: (why) => ends.push(why),
  });
  try {
    await body({ client, ends, served, calls, heard, callEnds, open });
  } finally {
    client.close();
    for (const one of sockets) one.destroy();
    for (const one of connections) one.close();
    server.close();
    await once(server, "close");
  }
}

const fails = async (
  t: ExecutionContext,
  call: Promise<unknown>,
  status: number,
  message?: RegExp,
) => {
  const error = await t.throwsAsync<GrpcError>(call, { instanceOf: GrpcError });
  t.is(error?.status, status, error?.message);
  if (message !== undefined) t.regex(error?.message ?? "", message);
};

test("calls with one answer: answered, refused, unknown, defective, and many at once", async (t) => {
  await withGrpc(async ({ client }) => {
    const call = (method: string, bytes: Uint8Array = Buffer.from("x")) =>
      client.unary(`/t.T/${method}`, bytes, 20_000);
    t.is((await call("Echo", Buffer.from("hello"))).toString(), "hello");
    t.is((await call("Echo", Buffer.alloc(0))).length, 0);
    t.is((await call("Echo", Buffer.alloc(100_000, 7))).length, 100_000);
    await fails(t, call("Wrong"), grpcStatus.invalidArgument, /^größe is odd$/);
    await fails(t, call("Defect"), grpcStatus.internal, /^internal error$/);
    await fails(t, call("Nothing"), grpcStatus.unimplemented);
    // More than may be under way: HTTP/2 has them wait.
    const many = await Promise.all(
      Array.from({ length: 50 }, (_, n) => call("Echo", Buffer.from([n]))),
    );
    t.deepEqual(
      many.map((one) => one[0]),
      [...Array(50).keys()],
    );
  });
});

test("a message that is too long is refused at either end, and the connection goes on", async (t) => {
  await withGrpc(async ({ client, calls }) => {
    await fails(
      t,
      client.unary("/t.T/Echo", Buffer.alloc(100_001), 20_000),
      grpcStatus.resourceExhausted,
    );
    const ends: (GrpcError | undefined)[] = [];
    client.open("/t.T/Stream", { onMessage: () => t.fail(), onEnd: (why) => ends.push(why) });
    const call = await eventually("the call", () => calls[0]);
    call?.send(Buffer.alloc(100_001));
    await eventually("its end", () => ends.length, { is: 1 });
    t.is(ends[0]?.status, grpcStatus.resourceExhausted);
    t.is((await client.unary("/t.T/Echo", Buffer.from("y"), 20_000)).toString(), "y");
  });
});

test("a stream goes both ways, and ends in order from either end", async (t) => {
  await withGrpc(async ({ client, calls, heard, callEnds }) => {
    for (const by of ["client", "server"] as const) {
      const got: string[] = [];
      const ends: (GrpcError | undefined)[] = [];
      const call = client.open("/t.T/Stream", {
        onMessage: (message) => got.push(message.toString()),
        onEnd: (why) => ends.push(why),
      });
      call?.send(Buffer.from("a"));
      call?.send(Buffer.from("b"));
      const server = await eventually("the call", () => calls.shift());
      await eventually("messages", () => heard.splice(0).length, { is: 2 });
      server?.send(Buffer.from("c"));
      await eventually("the answer", () => got, { is: ["c"] });
      if (by === "client") call?.endSending();
      else server?.finish(new GrpcError(grpcStatus.unavailable, "moving"));
      await eventually("the end", () => ends.length, { is: 1 });
      t.is(ends[0]?.status, by === "client" ? undefined : grpcStatus.unavailable);
      await eventually("the server's end", () => callEnds.length, { atLeast: 1 });
      t.is(callEnds.pop()?.status, by === "client" ? undefined : grpcStatus.unavailable);
    }
  });
});

test("a call that has no answer in time is over at both ends", async (t) => {
  await withGrpc(async ({ client, callEnds, calls }) => {
    await fails(t, client.unary("/t.T/Never", Buffer.from("x"), 50), grpcStatus.deadlineExceeded);
    client.open("/t.T/Stream", { onMessage: () => {}, onEnd: () => {} }, 50);
    await eventually("the server's end", () => callEnds.length, { is: 1 });
    t.is(calls.length, 1);
  });
});

test("who sends half a message, none, or two, gets no answer and keeps no place", async (t) => {
  const clock = new ManualClock();
  await withGrpc(
    async ({ open }) => {
      const socket = await open();
      const session = connectHttp2("https://s", { createConnection: () => socket });
      session.on("error", () => {});
      const begin = (headers: Record<string, string> = {}) => {
        const stream = session.request({
          ":method": "POST",
          ":path": "/t.T/Echo",
          "content-type": "application/grpc",
          te: "trailers",
          ...headers,
        });
        stream.on("error", () => {});
        stream.resume();
        return stream;
      };
      const outcome = async (stream: ReturnType<typeof begin>) => {
        let status: unknown;
        const seen = (headers: Record<string, unknown>) => {
          status ??=
            headers["grpc-status"] ?? (headers[":status"] === 200 ? undefined : headers[":status"]);
        };
        stream.on("response", seen);
        stream.on("trailers", seen);
        await eventually("the end of it", async () => {
          await clock.advance(500);
          return stream.closed || stream.destroyed;
        });
        return status;
      };
      const half = begin();
      half.write(prefixed(Buffer.alloc(50)).subarray(0, 20));
      t.is(await outcome(half), String(grpcStatus.invalidArgument));
      const cut = begin();
      cut.end(prefixed(Buffer.alloc(50)).subarray(0, 20));
      t.is(await outcome(cut), undefined);
      const none = begin();
      none.end();
      t.is(await outcome(none), String(grpcStatus.invalidArgument));
      const two = begin({ ":path": "/t.T/Never" });
      two.end(Buffer.concat([prefixed(Buffer.alloc(1)), prefixed(Buffer.alloc(1))]));
      t.is(await outcome(two), String(grpcStatus.invalidArgument));
      t.is(await outcome(begin({ "content-type": "application/json" })), 415);
      t.is(await outcome(begin({ "content-type": "application/grpc-web" })), 415);
      t.is(await outcome(begin({ ":method": "GET" })), 405);
      t.is(await outcome(begin({ "grpc-encoding": "gzip" })), String(grpcStatus.unimplemented));
      t.is(await outcome(begin({ "grpc-timeout": "soon" })), String(grpcStatus.internal));
      session.destroy();
    },
    { clock },
  );
});

test("an end that reads nothing is given up, at the client and at the server", async (t) => {
  const clock = new ManualClock();
  await withGrpc(
    async ({ client, open, callEnds, calls }) => {
      // A stream whose window is full: HTTP/2 takes no more.
      const socket = await open();
      const session = connectHttp2("https://s", { createConnection: () => socket });
      session.on("error", () => {});
      const headers = {
        ":method": "POST",
        ":path": "/t.T/Stream",
        "content-type": "application/grpc",
      };
      const stream = session.request(headers);
      stream.on("error", () => {});
      stream.pause();
      stream.write(prefixed(Buffer.from("x")));
      const call = await eventually("the call", () => calls[0]);
      for (let n = 0; n < 20; n++) call?.send(Buffer.alloc(100_000));
      await eventually("the end of it", async () => {
        await clock.advance(1_000);
        return callEnds.length === 1;
      });
      t.regex(callEnds[0]?.message ?? "", /reads nothing/);
      session.destroy();
      t.is((await client.unary("/t.T/Echo", Buffer.from("y"), 20_000)).toString(), "y");
    },
    { clock },
  );
});

test("a client that is gone without a word is found out, one that only says nothing is not", async (t) => {
  const clock = new ManualClock();
  await withGrpc(
    async ({ client, served, open }) => {
      // One never speaks HTTP/2, and so does not answer; the other does, and is asked.
      await open();
      const socket = await open();
      const quiet = connectHttp2("https://s", { createConnection: () => socket });
      let pings = 0;
      quiet.on("ping", () => pings++);
      for (let n = 1; n <= 6; n++) {
        await clock.advance(5_000);
        t.is((await client.unary("/t.T/Echo", Buffer.from("y"), 20_000)).toString(), "y");
        if (n === 4) await eventually("it is asked", () => pings, { atLeast: 1 });
      }
      t.deepEqual(served, ["client is silent"]);
      t.false(quiet.destroyed);
      quiet.destroy();
    },
    { clock },
  );
});

/** What a server of another make may do. */
function onStream(act: (stream: ServerHttp2Stream) => void) {
  return (socket: TLSSocket) => {
    const session = performServerHandshake(socket);
    session.on("error", () => {});
    session.on("stream", (stream) => {
      stream.on("error", () => {});
      act(stream);
    });
  };
}

test("answers that are not of gRPC, cut off, compressed, doubled, or without a status are errors", async (t) => {
  const head = { ":status": 200, "content-type": "application/grpc" } as const;
  const whole = prefixed(Buffer.from("x"));
  /** @param status in trailers; undefined: there are none */
  const answer = (body: Buffer, status?: string) => (stream: ServerHttp2Stream) => {
    stream.respond(head, { waitForTrailers: status !== undefined });
    stream.on("wantTrailers", () => stream.sendTrailers({ "grpc-status": status }));
    stream.end(body);
  };
  const only = (headers: Record<string, string | number>) => (stream: ServerHttp2Stream) => {
    stream.respond(headers, { endStream: true });
  };
  const reset = (stream: ServerHttp2Stream) => {
    stream.respond(head);
    stream.write(whole, () => stream.close(constants.NGHTTP2_NO_ERROR));
  };
  const cases: readonly (readonly [string, number, (stream: ServerHttp2Stream) => void])[] = [
    ["a proxy's 503", grpcStatus.unavailable, only({ ":status": 503 })],
    ["a page", grpcStatus.unknown, only({ ":status": 200, "content-type": "text/html" })],
    ["compressed", grpcStatus.internal, only({ ...head, "grpc-encoding": "gzip" })],
    ["another status", 77, only({ ...head, "grpc-status": "77" })],
    ["reset", grpcStatus.unavailable, reset],
    ["no status", grpcStatus.unavailable, answer(whole)],
    ["half an answer", grpcStatus.internal, answer(whole.subarray(0, 5), "0")],
    ["two answers", grpcStatus.internal, answer(Buffer.concat([whole, whole]), "0")],
    ["no answer", grpcStatus.internal, answer(Buffer.alloc(0), "0")],
    ["the end of all", grpcStatus.unavailable, (stream) => stream.session?.destroy()],
  ];
  for (const [what, status, act] of cases) {
    await withGrpc(
      async ({ client }) => {
        const error = await t.throwsAsync<GrpcError>(
          client.unary("/t.T/Any", Buffer.from("x"), 20_000),
        );
        t.is(error?.status, status, `${what}: ${error?.message}`);
      },
      { hand: onStream(act) },
    );
  }
});

test("a client whose server is gone knows it, and begins nothing more", async (t) => {
  await withGrpc(
    async ({ client, ends }) => {
      await fails(t, client.unary("/t.T/Any", Buffer.from("x"), 20_000), grpcStatus.unavailable);
      await eventually("the end", () => ends.length, { is: 1 });
      t.true(client.isOver);
      await fails(t, client.unary("/t.T/Any", Buffer.from("x"), 20_000), grpcStatus.unavailable);
      t.is(client.open("/t.T/Any", { onMessage: () => {}, onEnd: () => t.fail() }), undefined);
    },
    { hand: (socket) => void setImmediate(() => socket.destroy()) },
  );
});
