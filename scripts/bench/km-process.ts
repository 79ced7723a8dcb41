/**
 * The KM of the benchmarks: answers `success` to whatever is supplied, and looks at no more of it than
 * it must. Not a KM: `scripts/km` is one. Counts, and notes upon request when each block's keys came.
 *
 * Arguments: folder of its own, folder of the certificates, and `times` to note times, `https` to be a KM
 * of Annex B, or `ask` with number and size to ask for keys.
 */
import { readFileSync } from "node:fs";
import { createServer as createHttps } from "node:https";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";

const [, folder = "", how = "", number = "1", size = "256"] = process.argv.slice(2);
const notes = how === "times";
const pem = (name: string) => readFileSync(join(folder, name), "utf8");
const headerLength = 10;
const idLength = 36;
const before = Buffer.from('"key_ID":"');
const sequence = Buffer.from('"sequence":');
const tail = '","response":"success"}';
const answerLength = headerLength + '{"key_ID":"'.length + idLength + tail.length;

/** Header and payload of an answer, but for MessageID and key_ID. */
const template = Buffer.alloc(answerLength);
template.writeUInt16BE(1, 0);
template.writeUInt16BE(2, 6);
template.writeUInt16BE(answerLength - headerLength, 8);
template.write('{"key_ID":"', headerLength);
template.write(tail, answerLength - tail.length);
const idAt = headerLength + '{"key_ID":"'.length;

let keys = 0;
let bytes = 0;
/** Block number and time, ms on the clock that all processes share, of each key. */
let times: [number, number][] = [];
/** When the first key came. */
let first: number | undefined;
/** Requests that the node has not answered, of a KM that asks. */
const asking = 4;

/** The digits that follow, as a number. */
function numberAt(held: Buffer, at: number): number {
  let value = 0;
  for (let i = at; ; i++) {
    const digit = (held[i] as number) - 0x30;
    if (digit < 0 || digit > 9) return value;
    value = value * 10 + digit;
  }
}

const tls = {
  ca: pem("ca.crt"),
  cert: pem("km.crt"),
  key: pem("km.key"),
  minVersion: "TLSv1.3",
  requestCert: true,
  rejectUnauthorized: true,
} as const;

/** A Key request, as often as the node has answered one. */
function ask(socket: TLSSocket): void {
  const payload = Buffer.from(`{"number":${number},"size":${size}}`);
  const message = Buffer.alloc(headerLength + payload.length);
  message.writeUInt16BE(1, 0);
  message.writeUInt16BE(3, 6);
  message.writeUInt16BE(payload.length, 8);
  payload.copy(message, headerLength);
  let id = 0;
  const next = () => {
    message.writeUInt32BE(id++, 2);
    socket.write(Buffer.from(message));
  };
  let left = 0;
  let head = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    let at = 0;
    while (at < chunk.length) {
      if (left === 0) {
        const need = headerLength - head.length;
        head = Buffer.concat([head, chunk.subarray(at, at + need)]);
        at += need;
        if (head.length < headerLength) return;
        left = head.readUInt16BE(8);
        head = Buffer.alloc(0);
      }
      const taken = Math.min(left, chunk.length - at);
      left -= taken;
      at += taken;
      if (left === 0) next();
    }
  });
  for (let i = 0; i < asking; i++) next();
}

const overHttps = () =>
  createHttps(tls, (message, answer) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const body = Buffer.concat(chunks);
      const id = body.indexOf(before) + before.length;
      answer.setHeader("content-type", "application/json");
      answer.end(`{"key_ID":"${body.toString("latin1", id, id + idLength)}"}`);
    });
  });

const overTcp = () =>
  createServer(tls, (socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => socket.destroy());
    if (how === "ask") return ask(socket);
    const held = Buffer.alloc(1_048_576);
    let length = 0;
    /** key_ID is at the same place in every message of a node, or so it is hoped. */
    let place = 0;
    socket.on("data", (chunk: Buffer) => {
      length += chunk.copy(held, length);
      let at = 0;
      let count = 0;
      const out = Buffer.allocUnsafe(Math.ceil(length / 300 + 1) * answerLength);
      while (length - at >= headerLength) {
        const end = at + headerLength + held.readUInt16BE(at + 8);
        if (end > length) break;
        if (held[at + place - 1] !== 0x22 || held[at + place - 2] !== 0x3a) {
          place = held.indexOf(before, at + headerLength) + before.length - at;
        }
        const to = count * answerLength;
        template.copy(out, to);
        held.copy(out, to + 2, at + 2, at + 6);
        held.copy(out, to + idAt, at + place, at + place + idLength);
        if (notes) {
          const number = numberAt(held, held.indexOf(sequence, at) + sequence.length);
          times.push([number, performance.timeOrigin + performance.now()]);
        }
        count++;
        at = end;
      }
      bytes += at;
      keys += count;
      held.copyWithin(0, at, length);
      length -= at;
      if (count > 0) first ??= performance.timeOrigin + performance.now();
      if (count > 0) socket.write(out.subarray(0, count * answerLength));
    });
  });

const server = how === "https" ? overHttps() : overTcp();
process.on("message", () => {
  process.send?.({ keys, bytes, times, first });
  times = [];
});
server.listen(0, "127.0.0.1", () => {
  process.send?.({ port: (server.address() as { port: number }).port });
});
