/** Room for bodies is had by what comes, and never by who is gone. */
import { once } from "node:events";
import { createServer, type IncomingMessage, request } from "node:http";
import type { AddressInfo } from "node:net";
import test, { type ExecutionContext } from "ava";
import { Bodies, longestBody } from "../../../../src/km/io/http-body.ts";
import { eventually } from "../../../eventually.ts";

const room = 33_554_432;

/** A server whose requests are in the test's hand. */
async function listen(t: ExecutionContext) {
  const came: IncomingMessage[] = [];
  const server = createServer((asked) => void came.push(asked)).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.teardown(() => {
    server.closeAllConnections();
    server.close();
  });
  const { port } = server.address() as AddressInfo;
  return {
    came,
    ask: (length: number) => {
      const headers = { "content-length": length };
      const asked = request({ host: "127.0.0.1", port, method: "POST", headers });
      asked.on("error", () => {});
      asked.flushHeaders();
      return asked;
    },
  };
}

test("a request whose client went away before it is read takes no room", async (t) => {
  const { came, ask } = await listen(t);
  const bodies = new Bodies();
  const asked = ask(longestBody);
  await eventually("the request", () => came.length, { atLeast: 1 });
  const [gone] = came as [IncomingMessage];
  asked.destroy();
  await eventually("it is gone", () => gone.destroyed);
  const told: unknown[] = [];
  for (let i = 0; i < (2 * room) / 16_384; i++) bodies.read(gone, (body) => told.push(body));
  t.true(told.every((body) => body === "cut"));
  const good = ask(5);
  await eventually("another", () => came.length, { atLeast: 2 });
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  bodies.read(came[1] as IncomingMessage, resolve);
  good.end("hello");
  t.is((await promise).toString(), "hello");
});

test("what is announced and does not come leaves room for others, and a long body comes whole", async (t) => {
  const { came, ask } = await listen(t);
  const bodies = new Bodies();
  const refused: unknown[] = [];
  for (let i = 0; i < 100; i++) ask(longestBody);
  await eventually("all of them", () => came.length, { atLeast: 100 });
  for (const one of came) bodies.read(one, (body) => refused.push(body));
  t.deepEqual(refused, []);
  const sent = Buffer.alloc(longestBody, "q");
  const good = ask(sent.length);
  await eventually("another", () => came.length, { atLeast: 101 });
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  bodies.read(came[100] as IncomingMessage, resolve);
  good.end(sent);
  t.true(Buffer.from((await promise) as Buffer).equals(sent));
});

test("one who asks has half of the room at most, and gives all of it back", async (t) => {
  const { came, ask } = await listen(t);
  const bodies = new Bodies();
  const told: (Buffer | string)[] = [];
  const half = room / 2 / longestBody;
  const sent = Array.from({ length: half + 1 }, () => ask(longestBody));
  await eventually("all of them", () => came.length, { atLeast: half + 1 });
  for (const one of came) bodies.read(one, (body) => told.push(body), { of: "a" });
  for (const one of sent) one.write(Buffer.alloc(longestBody - 1, "q"));
  await eventually("one too many", () => told.length, { atLeast: 1 });
  t.true(told.every((body) => body === "busy"));
  const other = ask(5);
  await eventually("another's", () => came.length, { atLeast: half + 2 });
  const { promise, resolve } = Promise.withResolvers<Buffer | string>();
  bodies.read(came[half + 1] as IncomingMessage, resolve, { of: "b" });
  other.end("hello");
  t.is((await promise).toString(), "hello");
  for (const one of sent) one.end("q");
  await eventually("all are read", () => told.length, { atLeast: half + 1 });
  const read = told.filter((body) => typeof body !== "string");
  // Announced bytes of those that came too late have their room, too.
  t.true(read.length >= half - 1);
  for (const body of read) bodies.giveBack(body);
  const again = Promise.withResolvers<Buffer | string>();
  const last = ask(longestBody);
  await eventually("the last", () => came.length, { atLeast: half + 3 });
  bodies.read(came[half + 2] as IncomingMessage, again.resolve, { of: "a" });
  last.end(Buffer.alloc(longestBody));
  t.is((await again.promise).length, longestBody);
});
