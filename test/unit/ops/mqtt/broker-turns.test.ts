/** A broker that sends as fast as it can: what else a program does has its turns. */
import type { Socket } from "node:net";
import { Duplex } from "node:stream";
import test from "ava";
import { SievedStream } from "../../../../src/ops/mqtt/sieved-stream.ts";
import { eventually } from "../../../eventually.ts";

/** What a stream needs of a socket. */
function socketLike() {
  const written: Buffer[] = [];
  const socket = new Duplex({
    read: () => {},
    write: (chunk: Buffer, _, done) => {
      written.push(chunk);
      done();
    },
  });
  return { socket, written };
}

/** Messages of 4 bytes, PUBREL, each of which mqtt.js answers. */
const shortest = Buffer.concat(
  Array.from({ length: 16_384 }, (_, i) => Buffer.from([0x62, 2, (i >> 8) & 0xff, i & 0xff])),
);

for (const orderly of [true, false]) {
  test(`64 KiB of short messages come in many turns, in order${orderly ? ", up to an end behind them" : ""}`, async (t) => {
    const { socket } = socketLike();
    const stream = new SievedStream(socket as unknown as Socket, 65_536, () => {});
    const got: Buffer[] = [];
    let length = 0;
    let inTurn = 0;
    let most = 0;
    let ended = false;
    stream.on("end", () => {
      ended = true;
    });
    stream.on("data", (chunk: Buffer) => {
      got.push(chunk);
      length += chunk.length;
      if (inTurn === 0) setImmediate(() => (inTurn = 0));
      inTurn += chunk.length;
      most = Math.max(most, inTurn);
    });
    socket.push(shortest);
    if (orderly) socket.push(null);
    await eventually("all of it", () => length, { is: shortest.length });
    t.deepEqual(Buffer.concat(got), shortest);
    t.true(most <= 512, `${most} bytes in one turn`);
    if (orderly) await eventually("the end", () => ended);
    stream.destroy();
  });
}

test("a stream that is destroyed gives nothing more of what waits", async (t) => {
  const { socket } = socketLike();
  const stream = new SievedStream(socket as unknown as Socket, 65_536, () => {});
  let after = 0;
  stream.once("data", () => {
    stream.destroy();
    stream.on("data", (chunk: Buffer) => {
      after += chunk.length;
    });
  });
  socket.push(shortest);
  await eventually("the end", () => stream.closed);
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
  t.is(after, 0);
  t.true(socket.destroyed);
});
