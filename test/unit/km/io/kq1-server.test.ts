import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { ms } from "../../../../src/base/duration.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { Wishes } from "../../../../src/km/acquisition/wishes.ts";
import type { Kq1Server } from "../../../../src/km/io/kq1-server.ts";
import { TcpRequests } from "../../../../src/km/io/tcp-requests.ts";
import { connectKm } from "../../../../src/node/io/connect.ts";
import { Kq1Session } from "../../../../src/node/io/session.ts";
import type { QkdKey } from "../../../../src/port/key.ts";
import { eventually } from "../../../eventually.ts";
import { AskingDesk } from "../../../rig/asking-desk.ts";
import { moduleA } from "../../../rig/kq1-intake.ts";
import {
  authority,
  kmTexts,
  newKey,
  nodeTexts,
  type ServedOptions,
  serve,
} from "../../../rig/kq1-servers.ts";

type Served = Awaited<ReturnType<typeof serve>>;

async function served(t: ExecutionContext, options?: ServedOptions): Promise<Served> {
  const opened = await serve(options);
  t.teardown(() => opened.server.close());
  return opened;
}

/** The node's own session with this KM. */
async function node(t: ExecutionContext, port: number, name = "node-a", desk?: AskingDesk) {
  const tls = name === "plain" ? undefined : await nodeTexts(name);
  const socket = await connectKm(
    { host: "127.0.0.1", port, serverName: "km", tls, connectTimeout: ms(10_000) },
    systemClock,
    new AbortController().signal,
  );
  const answers = new Map<string, string>();
  const session = new Kq1Session(
    socket,
    {
      where: "km",
      moduleId: moduleA.moduleId,
      matchingModuleId: moduleA.matchingModuleId,
      window: 1_000,
      answerTimeout: ms(10_000),
      clock: systemClock,
      log: silentLog,
      ...(desk && { desk }),
    },
    { answered: ({ id }: QkdKey, response) => void answers.set(id, response) },
  );
  t.teardown(() => session.close());
  return { session, answers, socket };
}

const hex = (id: Uint8Array) => Buffer.from(id).toString("hex");

test("keys of a node come in over TLS, short and long, and each is answered", async (t) => {
  const { port, store, server } = await served(t);
  const { session, answers } = await node(t, port);
  const keys = [16, 32, 32, 55, 56, 1_000, 32_768, 47_000, 32].map((bytes) => newKey(bytes));
  const bytes = new Map(keys.map((key) => [key.id.replaceAll("-", ""), Buffer.from(key.expose())]));
  for (const key of keys) session.supply(key);
  await eventually("answers", () => answers.size, { is: keys.length });
  t.true([...answers.values()].every((word) => word === "success"));
  for (const { buffered, bytes: stored } of store.entries.values()) {
    t.true(stored.equals(bytes.get(hex(buffered.id)) as Buffer));
    t.is(buffered.qber, 0.03);
  }
  t.deepEqual(server.keyExchanges, ["X25519MLKEM768"]);
});

test("plain TCP, asked for by name, takes keys of any module", async (t) => {
  const { port, store } = await served(t, { plain: true });
  const { session, answers } = await node(t, port, "plain");
  for (let i = 0; i < 600; i++) session.supply(newKey());
  await eventually("answers", () => answers.size, { is: 600 });
  t.is(store.entries.size, 600);
});

test("a node whose certificate is bound to no module, or another, is refused each key", async (t) => {
  const { port, store, intake, lines } = await served(t);
  const { session, answers } = await node(t, port, "node-z");
  const key = newKey();
  session.supply(key);
  await eventually("answers", () => answers.size, { is: 1 });
  t.is(answers.get(key.id), "unauthorized");
  t.is(store.entries.size, 0);
  t.deepEqual(intake.refused, { unauthorized: 1 });
  t.false(lines.some((line) => line.includes(key.id)));
});

test("a store that is full is told, and the node keeps the key", async (t) => {
  const { port, store } = await served(t);
  store.fullness = "full";
  const { session, answers } = await node(t, port);
  const key = newKey();
  session.supply(key);
  await eventually("answers", () => answers.size, { is: 1 });
  t.is(answers.get(key.id), "storage_full");
});

/** A connection that a test writes on as it likes. */
async function raw(t: ExecutionContext, port: number, name?: string): Promise<Socket> {
  const at = { host: "127.0.0.1", port };
  const texts = name === undefined ? undefined : await nodeTexts(name);
  const socket = texts ? connectTls({ ...at, ...texts, servername: "km" }) : connectTcp(at);
  socket.on("error", () => {});
  t.teardown(() => void socket.destroy());
  await new Promise((resolve) => socket.once(texts ? "secureConnect" : "connect", resolve));
  return socket;
}

const ended = (socket: Socket) =>
  new Promise<Buffer>((resolve) => {
    const chunks: Buffer[] = [];
    socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    socket.once("close", () => resolve(Buffer.concat(chunks)));
  });

test("a message that was begun and is not finished in time ends its connection, and no other", async (t) => {
  const { port, lines } = await served(t, { times: { message: 50 } });
  const { session, answers } = await node(t, port);
  const slow = await raw(t, port, "node-a");
  slow.write(Buffer.from("00010000000100010064", "hex"));
  await ended(slow);
  t.true(lines.some((line) => line.includes("does not finish")));
  session.supply(newKey());
  await eventually("answers", () => answers.size, { is: 1 });
});

test("a handshake that is not finished in time ends its connection", async (t) => {
  const { port } = await served(t, { times: { handshake: 50 } });
  const socket = await raw(t, port);
  await ended(socket);
  t.pass();
});

test("nonsense is answered once and ended; a log line tells it, and nothing of what came", async (t) => {
  const { port, lines } = await served(t, { plain: true });
  const socket = await raw(t, port);
  const said = ended(socket);
  const payload = Buffer.from('{"key":"c2VjcmV0IG9mIGFsbCBzZWNyZXRz"');
  const header = Buffer.from("00010000002a00010000", "hex");
  header.writeUInt16BE(payload.length, 8);
  socket.write(Buffer.concat([header, payload]));
  const answer = await said;
  t.is(answer.readUInt32BE(2), 42);
  t.is(answer.toString("latin1", 10), '{"response":"invalid_message"}');
  t.true(lines.some((line) => line.includes("cannot be followed")));
  t.false(lines.some((line) => line.includes("c2VjcmV0")));
});

test("a certificate that is taken back cuts its connection, also one that is open", async (t) => {
  const { port, server } = await served(t);
  const { socket } = await node(t, port);
  const ca = await authority;
  const pem = (socket as { getCertificate?: () => { raw: Buffer } }).getCertificate?.().raw;
  const cert = `-----BEGIN CERTIFICATE-----\n${pem?.toString("base64").replace(/.{64}/g, "$&\n")}\n-----END CERTIFICATE-----\n`;
  (server as Kq1Server).renew({ ...(await kmTexts()), crl: await ca.revoke([cert]) });
  await eventually("the socket is closed", () => socket.destroyed);
  t.pass();
});

test("closing ends connections that are in the middle of something", async (t) => {
  const { port, server } = await serve();
  const { session } = await node(t, port);
  const handshake = await raw(t, port);
  const end = ended(handshake);
  await server.close();
  await session.ended;
  await end;
  t.pass();
});

test("a node in request mode is asked for keys until there are enough, and they are stored once", async (t) => {
  const desk = new AskingDesk();
  let stock = () => 0;
  let requests: TcpRequests | undefined;
  const { port, store } = await served(t, {
    watcher: (turn, log) => {
      const wishes = new Wishes({
        size: 256,
        number: 100,
        stock: () => stock(),
        low: 8_000,
        high: 16_000,
        hasRoom: () => true,
        firstWaitMs: 10,
        lastWaitMs: 100,
        answerTimeout: ms(5_000),
        drawToken: () => `a name of its own ${desk.asked.length} ${Math.random()}`,
        random: () => 0.5,
      });
      requests = new TcpRequests({
        modules: [{ module: moduleA, wishes }],
        turn,
        clock: systemClock,
        log,
      });
      return requests;
    },
  });
  t.teardown(() => requests?.close());
  stock = () => store.use().bufferedBytes;
  await node(t, port, "node-a", desk);
  await eventually("keys stored", () => store.entries.size, { atLeast: 500 });
  t.true(desk.asked.every(({ number, size, token }) => number === 100 && size === 256 && token));
  t.is(new Set(desk.asked.map(({ token }) => token)).size, desk.asked.length);
  t.is(store.entries.size % 100, 0);
  t.like(requests?.counts(), { success: store.entries.size });
});
