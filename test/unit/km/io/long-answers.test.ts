/** What long answers leave on connections is bounded for each application. */
import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect as connectPlain, type Socket } from "node:net";
import test from "ava";
import { LongAnswers } from "../../../../src/km/io/long-answers.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";

const mebibyte = 1_048_576;

test("beyond some long answers each is the last of its connection, and who does not read it is cut off", async (t) => {
  const clock = new ManualClock();
  const long = new LongAnswers(clock);
  const ended: ServerResponse[] = [];
  const server = createServer((_asked, response) => {
    if (long.isFull("a")) return void response.writeHead(503).end();
    long.begin("a", response, mebibyte);
    ended.push(response);
    // The last ones stay unread here: nothing is sent.
    if (response.getHeader("connection") !== "close") response.end("x");
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const sockets: Socket[] = [];
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  const said: string[] = [];
  const ask = async () => {
    const socket = connectPlain(port, "127.0.0.1");
    sockets.push(socket);
    socket.on("error", () => {});
    socket.on("data", (data) => void said.push(data.toString()));
    socket.write("GET / HTTP/1.1\r\nhost: k\r\n\r\n");
    await eventually("it is heard", () => ended.length + said.filter(is503).length, {
      atLeast: sockets.length,
    });
  };
  const is503 = (text: string) => text.startsWith("HTTP/1.1 503");
  for (let i = 0; i < 33; i++) await ask();
  const last = ended.filter((response) => response.getHeader("connection") === "close");
  t.is(ended.length, 32);
  t.is(last.length, 24);
  t.true(long.isFull("a"));
  t.false(long.isFull("b"));
  await clock.advance(30_000);
  await eventually("they are cut off", () => last.every(({ destroyed }) => destroyed));
  await eventually("others are answered again", () => !long.isFull("a"));
  for (const socket of sockets) socket.destroy();
  t.is(clock.timers, 0);
});
