/** A connection to a controller that is there becomes a session of Ck: over TCP, or over the stream of gRPC. */
import type { TLSSocket } from "node:tls";
import type { Clock } from "../../base/clock.ts";
import { Fault } from "../../base/errors.ts";
import { GrpcClient } from "../../host/grpc/client.ts";
import { SocketLine } from "../../host/net/socket-line.ts";
import { CkGrpcLine } from "../../wire/ck/grpc-line.ts";
import { alpn, limits, times } from "../../wire/ck/names.ts";
import { streamPath } from "../../wire/ck/rpc.ts";
import { CkSession, type CkSessionOptions } from "../../wire/ck/session.ts";
import { CkTcpLine } from "../../wire/ck/tcp-line.ts";
import type { CkBinding } from "./ck-dial.ts";

/** What waits for a controller that does not read. */
const bounds = { waiting: 1_048_576, stalledMs: times.stalled } as const;

export type CkParts = Pick<CkSessionOptions, "handlers" | "report"> & { readonly clock: Clock };

/**
 * @param socket from `ck-dial.ts`; the session's from now on
 * @param serverName the controller's, for gRPC
 */
export function ckSessionOver(
  socket: TLSSocket,
  binding: CkBinding,
  serverName: string,
  parts: CkParts,
): CkSession {
  return binding === "tcp" ? overTcp(socket, parts) : overGrpc(socket, serverName, parts);
}

function overTcp(socket: TLSSocket, parts: CkParts): CkSession {
  const { clock } = parts;
  const carrier: CkTcpLine = new CkTcpLine({
    write: (bytes) => line.write(bytes),
    close: () => line.close(),
    now: () => clock.now(),
  });
  const ours = socket.alpnProtocol === alpn;
  const session = new CkSession({ ...parts, side: "km", carrier, ours });
  const line = new SocketLine({
    socket,
    clock,
    waiting: bounds.waiting,
    stalledMs: bounds.stalledMs,
    onData: (chunk) => carrier.push(chunk, session),
    onEnd: (why) => session.end(ended(why)),
  });
  // It may have ended before anything listened.
  if (socket.destroyed) session.end(ended("closed"));
  return session;
}

function overGrpc(socket: TLSSocket, serverName: string, parts: CkParts): CkSession {
  const { clock } = parts;
  const carrier: CkGrpcLine = new CkGrpcLine({
    write: (bytes) => call?.send(bytes),
    close: () => client.close(),
    since: () => call?.since,
  });
  const session = new CkSession({ ...parts, side: "km", carrier, ours: true });
  const client = new GrpcClient({
    socket,
    authority: serverName,
    limits: { message: limits.bytes + 64, ...bounds },
    clock,
    onEnd: (why) => session.end(ended(why ?? "closed")),
  });
  const call = client.open(streamPath, {
    onMessage: (bytes) => carrier.push(bytes, session),
    onHalfEnd: () => {},
    onEnd: (why) => {
      const facts = why === undefined ? {} : { status: why.status };
      const said = why === undefined ? "the controller ended the stream" : `gRPC: ${why.message}`;
      session.end(new Fault("ck.closed", said, facts));
    },
  });
  if (call === undefined) session.end(ended("closed"));
  return session;
}

function ended(why: string): Fault {
  if (why === "stalled") {
    const facts = { limit_ms: bounds.stalledMs };
    return new Fault("ck.timeout", "the controller reads nothing", facts);
  }
  return why === "closed"
    ? new Fault("ck.closed", "the controller closed the connection")
    : new Fault("ck.closed", "the connection to the controller broke", { cause: why });
}
