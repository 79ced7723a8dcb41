/**
 * A key manager that is registered and hostile, at the door of a real controller over TLS: what it sends is spoiled in frames,
 * in protobuf, in gRPC and in HTTP/2. The controller's core hears what is left, and goes on serving a good one.
 */
import { connect, type TLSSocket } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { GrpcClient } from "../../src/host/grpc/client.ts";
import type { CkIdentity } from "../../src/km/io/ck-dial.ts";
import { encodeEnvelope, encodeMessage } from "../../src/wire/ck/grpc.ts";
import { alpn, grpcAlpn } from "../../src/wire/ck/names.ts";
import { linkExtension } from "../../src/wire/ck/report.ts";
import { pathOf, streamPath } from "../../src/wire/ck/rpc.ts";
import { messageTypes, specOf } from "../../src/wire/ck/table.ts";
import { encodeFrames } from "../../src/wire/ck/tcp.ts";
import { eventually } from "../eventually.ts";
import { type Random, random } from "../random.ts";
import { KmEnd } from "../rig/ck-bench.ts";
import { allSamples, samples } from "../rig/ck-samples.ts";
import { inUse } from "../rig/memory.ts";
import { serverName, wireController } from "../rig/wire-controller.ts";
import { drawn, pick, spoil } from "./ck-fuzz.ts";

export interface DoorFuzzResult {
  readonly connections: number;
  readonly inputs: number;
  /** Times that a good key manager was answered meanwhile. */
  readonly answered: number;
  /** Times that it was not, or was cut. Must be 0. */
  readonly disturbed: number;
  /** Bytes in use more than after the first tenth of the run. */
  readonly growth: number;
}

/** Inputs of one connection, at the most. */
const each = 25;
/** Connections at a time. */
const together = 4;
const limits = { message: 1_200_000, waiting: 1_048_576, stalledMs: 10_000 };
const good = linkExtension({ peer: "km-far", up: true, stock: 1e7, rate: 1e4, alarms: [] });

export async function fuzzDoor(connections: number, seed: number): Promise<DoorFuzzResult> {
  const next = random(seed);
  const controller = await wireController(["km-good", "km-far", "km-bad"]);
  const { port } = controller;
  const bad = await controller.identity("km-bad");
  const end = new KmEnd();
  let [inputs, answered, disturbed, before] = [0, 0, 0, 0];
  try {
    await controller.km("km-good", end.handlers, [good]);
    await eventually("the good one is attached", () => end.sessions.length, { is: 1 });
    const ask = async () => {
      // As each does every 5 s: a machine may be so slow that its link would be unknown meanwhile.
      await end.session.request({ type: "report", sourceKm: "km-good", at: systemClock.wall() });
      const { message } = await end.session.request({
        type: "nextHopRequest",
        sourceKma: "km-good",
        destinationKma: "km-far",
      });
      if ("nextKmas" in message && message.nextKmas[0] === "km-far") answered++;
      else disturbed++;
    };
    for (let done = 0; done < connections; done += together) {
      const some = Array.from({ length: Math.min(together, connections - done) }, () => next());
      const sent = await Promise.all(
        some.map((one) => attack(port, bad, random(Math.floor(one * 2 ** 31)))),
      );
      inputs += sent.reduce((sum, count) => sum + count, 0);
      await ask().catch(() => disturbed++);
      if (before === 0 && done >= connections / 10) before = inUse();
    }
    disturbed += end.sessions.length - 1;
    return { connections, inputs, answered, disturbed, growth: inUse() - before };
  } finally {
    await controller.close();
  }
}

/** One connection, until it is cut or has sent all. @returns inputs */
async function attack(port: number, tls: CkIdentity, next: Random): Promise<number> {
  const isGrpc = next() < 0.5;
  const protocols = isGrpc ? [grpcAlpn] : next() < 0.8 ? [alpn] : [];
  const socket = connect({
    host: "127.0.0.1",
    port,
    ...tls,
    servername: serverName,
    ALPNProtocols: protocols,
  });
  socket.on("error", () => {});
  const isOpen = await new Promise<boolean>((resolve) => {
    socket.once("secureConnect", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
  if (!isOpen) return 0;
  const closed = new Promise((resolve) => socket.once("close", resolve));
  const count = await (isGrpc ? overGrpc(socket, next) : overTcp(socket, next));
  socket.destroy();
  await closed;
  return count;
}

async function overTcp(socket: TLSSocket, next: Random): Promise<number> {
  socket.resume();
  let count = 0;
  for (; count < each && !socket.destroyed; count++) {
    const good = Buffer.concat(framesOf(next));
    socket.write(next() < 0.5 ? good : spoil(next, good, 0.5));
    if (next() < 0.2) await turn();
  }
  await turn();
  return count;
}

/** Frames of a message that is drawn; of a good one if that cannot be written. */
function framesOf(next: Random): Buffer[] {
  const id = Math.floor(next() * 8);
  try {
    return encodeFrames(next() < 0.5 ? drawn(next) : pick(next, allSamples), id);
  } catch {
    return encodeFrames(samples.report, id);
  }
}

async function overGrpc(socket: TLSSocket, next: Random): Promise<number> {
  if (next() < 0.2) {
    // No HTTP/2 at all, or one that breaks off.
    socket.resume();
    socket.write("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    for (let i = 0; i < each && !socket.destroyed; i++) {
      socket.write(spoil(next, Buffer.alloc(1 + next() * 64, next() * 256), 0));
    }
    await turn();
    return each;
  }
  const options = { socket, authority: serverName, limits, clock: systemClock, onEnd: () => {} };
  const client = new GrpcClient(options);
  const stream = client.open(streamPath, { onMessage: () => {}, onEnd: () => {} } as never);
  const calls: Promise<unknown>[] = [];
  let count = 0;
  for (; count < each && !socket.destroyed; count++) {
    const message = pick(next, allSamples);
    if (next() < 0.6) {
      const envelope = encodeEnvelope(message, Math.floor(next() * 8));
      stream?.send(next() < 0.4 ? envelope : spoil(next, envelope, 0.3));
    } else {
      const type = pick(
        next,
        messageTypes.filter((one) => specOf[one].rpc !== undefined),
      );
      const bytes = encodeMessage(next() < 0.7 ? samples[type] : message);
      const call = client.unary(
        pathOf(type),
        next() < 0.4 ? bytes : spoil(next, bytes, 0.3),
        2_000,
      );
      calls.push(call.catch(() => {}));
    }
    if (next() < 0.2) await turn();
  }
  if (next() < 0.5) await Promise.all(calls);
  await turn();
  client.close();
  return count;
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
