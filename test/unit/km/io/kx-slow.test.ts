/** A KM that is on the link, and sends what never ends. */
import type { TLSSocket } from "node:tls";
import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { KxConnection } from "../../../../src/km/io/kx-connection.ts";
import type { KxMessage } from "../../../../src/wire/kx/messages.ts";
import { alpnOf } from "../../../../src/wire/kx/names.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { createLine } from "../../../rig/duplex.ts";
import { frames, helloOf } from "../../../rig/kx-bench.ts";

test("a frame that comes byte after byte and never ends is no sign of life", async (t) => {
  const clock = ManualClock.ofToday();
  const { node: here, km: there } = createLine();
  const socket = Object.assign(here, { alpnProtocol: alpnOf(2), setNoDelay: () => {} });
  const ends: Fault[] = [];
  const messages: KxMessage[] = [];
  const connection = new KxConnection(socket as unknown as TLSSocket, false, clock, {
    onHello: () => {},
    onMessage: (message) => messages.push(message),
    onEnd: (why) => ends.push(why),
  });
  there.resume();
  let came = 0;
  socket.on("data", (chunk: Buffer) => {
    came += chunk.length;
  });
  let sent = 0;
  const send = async (bytes: Buffer) => {
    sent += bytes.length;
    there.write(bytes);
    await eventually("it came", () => came, { is: sent });
  };
  const hello = frames(helloOf());
  const alive = { type: "alive" } as const;
  const both = frames(helloOf(), alive, alive).subarray(hello.length);
  const half = both.length / 2;
  await send(hello);
  // The first frame ends with the beginning of the second, which has time of its own.
  let at = 0;
  for (const upTo of [1, 2, half + 1, half + 2, half + 3, half + 4]) {
    t.deepEqual(ends, [], `${at} bytes`);
    await send(both.subarray(at, upTo));
    await clock.advance(9_000);
    at = upTo;
  }
  t.is(messages.length, 1);
  t.like(ends, [{ code: "kx.silent", message: "the other KM does not finish its message" }]);
  t.true(connection.isOver);
});
