/**
 * The KM of the benchmarks: answers `success` to whatever is supplied, and looks at no more of it than
 * it must. Not a KM: `scripts/km` is one. Counts, and notes upon request when each block's keys came.
 *
 * Arguments: folder of its own, folder of the certificates, and `times` to note times, `https` to be a KM
 * of Annex B, `ask` with number and size to ask for keys, or `echo` with a length: answers so many bytes
 * with as many as an answer has, and looks at none of them.
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
/** All that is looked at is within so many bytes of a message. */
const headBytes = 1_024;
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

/** The least that any KM could do. */
function echo(socket: TLSSocket): void {
  const length = Number(number);
  const answer = Buffer.alloc(answerLength);
  let rest = 0;
  socket.on("data", (chunk: Buffer) => {
    for (rest += chunk.length; rest >= length; rest -= length) socket.write(answer);
  });
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
    if (how === "echo") return echo(socket);
    /** The beginning of a message whose head is not here yet, and how much of it is. */
    const held = Buffer.alloc(headBytes);
    let kept = 0;
    /** What is still to come of a message whose answer is ready. */
    let skip = 0;
    const answer = Buffer.from(template);
    /** key_ID is at the same place in every message of a node, or so it is hoped. */
    let place = 0;
    const look = (from: Buffer, start: number) => {
      if (from[start + place - 1] !== 0x22 || from[start + place - 2] !== 0x3a) {
        place = from.indexOf(before, start + headerLength) + before.length - start;
      }
      from.copy(answer, 2, start + 2, start + 6);
      from.copy(answer, idAt, start + place, start + place + idLength);
      if (!notes) return;
      const number = numberAt(from, from.indexOf(sequence, start) + sequence.length);
      times.push([number, 0]);
    };
    socket.on("data", (chunk: Buffer) => {
      let at = 0;
      let count = 0;
      const out = Buffer.allocUnsafe(Math.ceil(chunk.length / 300 + 2) * answerLength);
      const finish = () => {
        answer.copy(out, count++ * answerLength);
        const noted = notes ? times.at(-1) : undefined;
        if (noted !== undefined) noted[1] = performance.timeOrigin + performance.now();
      };
      while (at < chunk.length) {
        if (skip > 0) {
          const passed = Math.min(skip, chunk.length - at);
          at += passed;
          skip -= passed;
          if (skip === 0) finish();
          continue;
        }
        const more = kept > 0 ? chunk.copy(held, kept, at) : 0;
        const [from, start, have] =
          kept > 0 ? [held, 0, kept + more] : [chunk, at, chunk.length - at];
        const length = have < headerLength ? -1 : headerLength + from.readUInt16BE(start + 8);
        if (length < 0 || have < Math.min(length, headBytes)) {
          if (kept === 0) chunk.copy(held, 0, at);
          kept = have;
          break;
        }
        look(from, start);
        const used = Math.min(have, length);
        at += used - kept;
        kept = 0;
        skip = length - used;
        if (skip === 0) finish();
      }
      bytes += chunk.length;
      keys += count;
      // Not left to the garbage collector, which would be part of what is measured.
      if (chunk.length > 8_192 && chunk.length === chunk.buffer.byteLength) {
        (chunk.buffer as ArrayBuffer).transfer(0);
      }
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
