import { once } from "node:events";
import { createServer, type ServerResponse } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { OrderlyClose } from "../../../../src/host/http/orderly-close.ts";
import { ManualClock } from "../../../clock.ts";

const request = "GET / HTTP/1.1\r\nhost: x\r\n\r\n";

/** What a client has heard, and that it was hung up on. */
async function heard(socket: Socket): Promise<string> {
  let text = "";
  for await (const part of socket.setEncoding("latin1")) text += part;
  return text;
}

async function world(t: ExecutionContext) {
  const clock = new ManualClock();
  const asked: ServerResponse[] = [];
  const server = createServer((_, response) => void asked.push(response));
  const end = new OrderlyClose(server, clock);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => server.closeAllConnections());
  const { port } = server.address() as AddressInfo;
  const client = async () => {
    const socket = connect(port, "127.0.0.1");
    await once(socket, "connect");
    return socket;
  };
  const ask = async (socket: Socket) => {
    const heardOf = once(server, "request");
    socket.write(request);
    await heardOf;
    return asked.at(-1) as ServerResponse;
  };
  return { clock, server, end, client, ask };
}

test("who has asked is answered, and told that it was the last; who has not is hung up on", async (t) => {
  const { end, client, ask } = await world(t);
  const [idle, waiting] = [await client(), await client()];
  const first = await ask(idle);
  first.end("one");
  await once(first, "close");
  const response = await ask(waiting);
  const closed = end.close(60_000);
  t.regex(await heard(idle), /one$/);
  response.end("two");
  const said = await heard(waiting);
  t.regex(said, /^connection: close\r$/im);
  t.regex(said, /two$/);
  await closed;
});

test("an answer that had begun is brought to its end", async (t) => {
  const { end, client, ask } = await world(t);
  const waiting = await client();
  const response = await ask(waiting);
  response.writeHead(200, { "content-length": 3 });
  response.write("o");
  const closed = end.close(60_000);
  response.end("ne");
  t.regex(await heard(waiting), /one$/);
  await closed;
});

test("nobody is waited for longer than that", async (t) => {
  const { end, client, ask, clock } = await world(t);
  const waiting = await client();
  await ask(waiting);
  const closed = end.close(1_000);
  await clock.advance(1_000);
  t.is(await heard(waiting), "");
  await closed;
  t.is(clock.timers, 0);
});
