import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import test, { type ExecutionContext } from "ava";
import { systemClock } from "../../../../src/base/clock.ts";
import { Fault } from "../../../../src/base/errors.ts";
import { connectKm, type KmEndpoint } from "../../../../src/node/io/connect.ts";
import type { Kq1Session } from "../../../../src/node/io/session.ts";
import { Heard } from "../../../../src/wire/kq1/heard.ts";
import { header } from "../../../../src/wire/kq1/names.ts";
import { ManualClock, settle } from "../../../clock.ts";
import { createAuthority } from "../../../emulator/certificates.ts";
import { answerWith, dropConnection, KeyManager, neverAnswer } from "../../../emulator/km/index.ts";
import { eventually } from "../../../eventually.ts";
import { patience } from "../../../patience.ts";
import { authority, createSession, endpoint, key, never, withKm } from "../../../rig/kq1-line.ts";

test("keys arrive at a KM that knows the profile only, and each is answered", async (t) => {
  await withKm({}, async ({ km, session, answers, answered }) => {
    for (let n = 0; n < 8; n++) session.supply(key(n));
    t.is(session.room, 0);
    await answered(8);
    t.is(session.room, 8);
    t.true(answers.every(([, response]) => response === "success"));
    t.deepEqual(Buffer.from(km.store.bytes(key(3).id) as Uint8Array), Buffer.alloc(32, 4));
    t.deepEqual(km.store.get(key(3).id)?.qber, 0.03);
    session.supply(key(3));
    await answered(9);
    t.is(km.store.summary().repeats, 1);
  });
});

test("a single key that is supplied as soon as the connection is up is sent", async (t) => {
  await withKm({}, async ({ session, answered }) => {
    session.supply(key(1));
    await answered(1);
    t.pass();
  });
});

test("a KM's reason comes back with the key it is about", async (t) => {
  await withKm({}, async ({ km, session, answers, answered }) => {
    km.behave(answerWith("storage_full", 1));
    session.supply(key(1));
    session.supply(key(2));
    await answered(2);
    t.deepEqual(answers, [
      [key(1).id, "storage_full"],
      [key(2).id, "success"],
    ]);
  });
});

for (const moment of ["before storing", "before answering"] as const) {
  test(`a connection that drops ${moment} ends the session without an answer`, async (t) => {
    await withKm({}, async ({ km, session, answers }) => {
      km.behave(dropConnection(moment));
      session.supply(key(1));
      const error = await session.ended;
      t.is((error as Fault).code, "kq1.closed");
      t.deepEqual(answers, []);
      t.is(session.room, 0);
    });
  });
}

test("a KM that does not answer in time is given up", async (t) => {
  await withKm({}, async ({ km, session, clock }) => {
    km.behave(neverAnswer("before answering"));
    session.supply(key(1));
    await clock.advance(4_999);
    t.is(await Promise.race([session.ended, settle().then(() => "open")]), "open");
    await clock.advance(1);
    t.is(((await session.ended) as Fault).code, "kq1.timeout");
    t.is(clock.timers, 0);
  });
});

/** @returns why there is no connection: silence is never taken for consent, as it is when a slow KM refuses late */
async function refusal(t: ExecutionContext, port: number, change: Partial<KmEndpoint>) {
  const clock = new ManualClock();
  const opened = endpoint(port, change).then((to) => connectKm(to, clock, patience(30_000)));
  // A connection after all is not to outlive its test.
  opened.then((socket) => socket.destroy()).catch(() => {});
  const error = await t.throwsAsync(opened, { instanceOf: Fault });
  return error?.message ?? "";
}

test("a KM that is not who it should be gets no key, and the fault says why", async (t) => {
  const ca = await authority;
  const other = await createAuthority("other CA");
  const good = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const expired = await ca.issue({ commonName: "km", dns: ["km"], usage: "server", days: -1 });
  const foreign = await other.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const cases = [
    { identity: good, change: { serverName: "another" }, says: /names another KM/ },
    { identity: foreign, change: {}, says: /from another CA/ },
    { identity: expired, change: {}, says: /has expired/ },
  ];
  for (const { identity, change, says } of cases) {
    const km = new KeyManager({ security: { ...identity, ca: ca.cert } });
    t.regex(await refusal(t, await km.listen(), change), says);
    t.is(km.counts.connections, 0);
    await km.close();
  }
});

test("a KM that refuses our certificate is not taken for connected", async (t) => {
  const ca = await authority;
  const other = await createAuthority("other CA");
  const identity = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
  const km = new KeyManager({ security: { ...identity, ca: other.cert } });
  const says = await refusal(t, await km.listen(), {});
  t.regex(says, /refuses our certificate|closed by the KM/);
  await km.close();
});

test("nobody at the port, no TLS at the port: a fault that says so", async (t) => {
  t.regex(await refusal(t, 1, {}), /connection refused/);
  const server = createServer((socket) => socket.end("hello\r\n"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  t.regex(await refusal(t, port, {}), /cannot connect to the KM/);
  server.close();
});

/** A KM that answers what the test wants, over plain TCP. */
async function withRaw(
  reply: (frame: Buffer) => Buffer,
  body: (session: Kq1Session, answers: [string, string][], heard: Heard) => Promise<void>,
): Promise<void> {
  const server = createServer((socket) => {
    socket.on("data", (chunk: Buffer) => socket.write(reply(chunk)));
    socket.on("error", () => {});
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const socket = await connectKm(await endpoint(port, { tls: undefined }), systemClock, never);
  const heard = new Heard();
  const { session, answers } = createSession(socket, new ManualClock(), { heard });
  try {
    await body(session, answers, heard);
  } finally {
    await session.close();
    server.close();
  }
}

function response(
  messageId: number,
  keyId: string | undefined,
  command = 2,
  word = "success",
): Buffer {
  const payload = Buffer.from(JSON.stringify({ key_ID: keyId, response: word }));
  const frame = Buffer.alloc(header.length);
  frame.writeUInt16BE(1, 0);
  frame.writeUInt32BE(messageId, 2);
  frame.writeUInt16BE(command, 6);
  frame.writeUInt16BE(payload.length, 8);
  return Buffer.concat([frame, payload]);
}

const lies = {
  "another MessageID": () => response(77, key(1).id),
  "another key_ID": () => response(0, key(2).id),
  "another command": () => response(0, key(1).id, 4),
  "no JSON": () => Buffer.from("00010000000000020003616161", "hex"),
  "another version": () => Buffer.from("00090000000000020000", "hex"),
};

for (const [what, reply] of Object.entries(lies)) {
  test(`an answer with ${what} confirms nothing and ends the connection`, async (t) => {
    await withRaw(reply, async (session, answers, heard) => {
      session.supply(key(1));
      t.true((await session.ended) instanceof Fault);
      t.deepEqual(answers, []);
      t.deepEqual([heard.own, heard.unclear], [0, 1]);
      t.regex(heard.what, /^no key was answered for: /);
    });
  });
}

const words: readonly (readonly [string, string | undefined, string, string])[] = [
  [
    "a refusal without a key_ID is told by its MessageID",
    undefined,
    "unauthorized",
    "unauthorized",
  ],
  ["an unknown word for this key", key(1).id, "NOT_NOW", "other"],
  ["an unknown word for no key", undefined, "NOT_NOW", "unclear"],
];

for (const [what, keyId, word, taken] of words) {
  test(`${what}: ${taken}, and the connection goes on`, async (t) => {
    const reply = () => response(0, keyId, 2, word);
    await withRaw(reply, async (session, answers, heard) => {
      session.supply(key(1));
      await eventually("answers", () => answers.length, { atLeast: 1 });
      t.deepEqual(answers, [[key(1).id, taken]]);
      t.is(session.room, 8);
      t.deepEqual([heard.own, heard.unclear], taken === "unclear" ? [0, 1] : [1, 0]);
      t.false(heard.what.includes(word));
    });
  });
}

test("a connection that is cut because keys may not leave says nothing of the KM", async (t) => {
  const heard = new Heard();
  const socket = await new Promise<Socket>((resolve) => {
    // It reads nothing, so that what is supplied waits.
    const server = createServer((peer) => peer.pause());
    server.listen(0, "127.0.0.1", () => {
      const own = connect((server.address() as { port: number }).port, "127.0.0.1");
      own.once("connect", () => resolve(own));
      own.once("close", () => server.close());
    });
  });
  const { session } = createSession(socket, new ManualClock(), { heard });
  session.supply(key(1));
  session.halt();
  t.is(((await session.ended) as Fault).message, "keys may not leave");
  t.is(heard.unclear, 0);
});
