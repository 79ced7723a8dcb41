import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import test from "ava";
import { SocketLine } from "../../../../src/host/net/socket-line.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";

async function withLine(
  body: (ends: {
    readonly line: SocketLine;
    readonly socket: Socket;
    readonly other: Socket;
    readonly heard: Buffer[];
    readonly why: string[];
    readonly clock: ManualClock;
  }) => Promise<void>,
): Promise<void> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const other = connect((server.address() as AddressInfo).port, "127.0.0.1");
  other.on("error", () => {});
  const [socket] = (await once(server, "connection")) as [Socket];
  const [heard, why, clock] = [[] as Buffer[], [] as string[], new ManualClock()];
  const line = new SocketLine({
    socket,
    clock,
    waiting: 100_000,
    stalledMs: 5_000,
    onData: (chunk) => heard.push(chunk),
    onEnd: (reason) => why.push(reason),
  });
  try {
    await body({ line, socket, other, heard, why, clock });
  } finally {
    other.destroy();
    socket.destroy();
    server.close();
  }
}

test("bytes go both ways; the other end's end is told once", async (t) => {
  await withLine(async ({ line, other, heard, why }) => {
    other.write("hello");
    await eventually("bytes", () => Buffer.concat(heard).toString(), { is: "hello" });
    const back = once(other, "data");
    line.write(Buffer.from("back"));
    t.is(String((await back)[0]), "back");
    other.end();
    await eventually("the end", () => why, { is: ["closed"] });
    t.true(line.isOver);
    line.write(Buffer.from("nothing"));
    line.close();
    t.deepEqual(why, ["closed"]);
  });
});

test("an end that reads nothing is not read from, and is given up when nothing moves", async (t) => {
  await withLine(async ({ line, socket, other, heard, why, clock }) => {
    other.pause();
    // The system's buffers take some megabytes.
    for (let n = 0; n < 200; n++) line.write(Buffer.alloc(100_000));
    t.true(socket.isPaused());
    other.write("unheard");
    await eventually("the end", async () => {
      await clock.advance(1_000);
      return why.length > 0;
    });
    t.deepEqual(why, ["stalled"]);
    t.deepEqual(heard, []);
  });
});

test("an end that reads again is read from again", async (t) => {
  await withLine(async ({ line, socket, other, heard, why }) => {
    other.pause();
    for (let n = 0; n < 200; n++) line.write(Buffer.alloc(100_000));
    other.write("heard");
    t.true(socket.isPaused());
    other.resume();
    await eventually("bytes", () => Buffer.concat(heard).toString(), { is: "heard" });
    t.deepEqual(why, []);
  });
});

test("closing brings out what was written; an end that does not read is left all the same", async (t) => {
  await withLine(async ({ line, other, why }) => {
    const chunks: Buffer[] = [];
    other.on("data", (chunk) => chunks.push(chunk));
    line.write(Buffer.from("last"));
    line.close();
    await once(other, "end");
    t.is(Buffer.concat(chunks).toString(), "last");
    t.deepEqual(why, []);
  });
  await withLine(async ({ line, socket, other, clock }) => {
    other.pause();
    for (let n = 0; n < 200; n++) line.write(Buffer.alloc(100_000));
    line.close();
    await clock.advance(501);
    t.true(socket.destroyed);
  });
});
