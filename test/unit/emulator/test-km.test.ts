import { once } from "node:events";
import type { SecureVersion } from "node:tls";
import test, { type ExecutionContext } from "ava";
import type { Clock, Timer } from "../../../src/base/clock.ts";
import { type Authority, createAuthority, type Identity } from "../../emulator/certificates.ts";
import {
  answerWith,
  type Behaviour,
  dropConnection,
  KeyManager,
  type KeyManagerOptions,
  KmStore,
  neverAnswer,
} from "../../emulator/km/index.ts";
import { frame, RawClient, supplyPayload, testId, testKey } from "../../emulator/km/raw-client.ts";
import { patience } from "../../patience.ts";

/** A deadline for events that are sure to come; a test that meets it has failed. */
const soon = () => patience(20_000);

async function plainKm(t: ExecutionContext, options: Partial<KeyManagerOptions> = {}) {
  const km = new KeyManager({ security: "plain", ...options });
  await km.listen();
  t.teardown(() => km.close());
  return km;
}

async function connect(t: ExecutionContext, km: KeyManager): Promise<RawClient> {
  const client = await RawClient.plain(km.port);
  t.teardown(() => client.close());
  return client;
}

/** Time that stands still; `armed` resolves with what the first timer would call. */
class StoppedClock implements Clock {
  readonly #armed = Promise.withResolvers<() => void>();
  readonly armed = this.#armed.promise;
  now = () => 0;
  wall = () => 0;
  after(_ms: number, fn: () => void): Timer {
    this.#armed.resolve(fn);
    return { cancel: () => {} };
  }
}

const pki: { authority?: Authority; km?: Identity; node?: Identity } = {};

test.before(async () => {
  pki.authority = await createAuthority("Test authority");
  pki.km = await pki.authority.issue({ commonName: "km", ip: ["127.0.0.1"], usage: "server" });
  pki.node = await pki.authority.issue({ commonName: "node-a", dns: ["alice-1"], usage: "client" });
});

async function tlsKm(t: ExecutionContext, policy: KeyManagerOptions["policy"] = {}) {
  const { cert, key } = pki.km as Identity;
  return plainKm(t, { security: { cert, key, ca: pki.authority?.cert ?? "" }, policy });
}

function tlsClient(
  t: ExecutionContext,
  km: KeyManager,
  identity?: Identity,
  maxVersion: SecureVersion = "TLSv1.3",
): RawClient {
  const client = RawClient.tls(km.port, {
    ca: pki.authority?.cert ?? "",
    maxVersion,
    ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }),
  });
  t.teardown(() => client.close());
  return client;
}

test("a key supplied over TLS 1.3 is stored, and answered under its MessageID", async (t) => {
  const km = await tlsKm(t);
  const client = tlsClient(t, km, pki.node);
  const connected = once(km, "connected", { signal: soon() });
  client.send(frame(77, supplyPayload(1, { extension: [{ qber: 0.03 }, { sequence: 4 }] })));
  t.deepEqual(await client.next(), {
    messageId: 77,
    code: 2,
    payload: { key_ID: testId(1), qkd_module_ID: "alice-1", response: "success" },
  });
  t.deepEqual(await connected, [["node-a", "alice-1"]]);
  t.like(km.store.entries(), [
    { id: testId(1), bits: 256, moduleId: "alice-1", qber: 0.03, sequence: 4, arrivals: 1 },
  ]);
  t.deepEqual(Buffer.from(km.store.bytes(testId(1)) ?? []), testKey(1));
});

test("a client without a good certificate gets no answer, and is counted", async (t) => {
  const km = await tlsKm(t);
  const stranger = await (await createAuthority("Another")).issue({
    commonName: "node-a",
    usage: "client",
  });
  const request = { commonName: "node-a", usage: "client", days: -1 } as const;
  const expired = await pki.authority?.issue(request);
  const wrongUsage = await pki.authority?.issue({ commonName: "node-a", usage: "server" });
  for (const identity of [undefined, stranger, expired, wrongUsage]) {
    const refused = once(km, "handshakeRefused", { signal: soon() });
    t.is(await tlsClient(t, km, identity).supply(1, supplyPayload(1)), undefined);
    await refused;
  }
  t.like(km.counts, { refusedHandshakes: 4, connections: 0 });
  t.is(km.store.size, 0);
});

test("TLS 1.2 is refused", async (t) => {
  const km = await tlsKm(t);
  const refused = once(km, "handshakeRefused", { signal: soon() });
  t.is(await tlsClient(t, km, pki.node, "TLSv1.2").supply(1, supplyPayload(1)), undefined);
  await refused;
  t.is(km.counts.refusedHandshakes, 1);
});

test("a client that is not on the list is answered unauthorized", async (t) => {
  const listed = await tlsKm(t, { clients: ["alice-1"] });
  t.is(await tlsClient(t, listed, pki.node).supply(1, supplyPayload(1)), "success");
  const unlisted = await tlsKm(t, { clients: ["bob-1"] });
  t.is(await tlsClient(t, unlisted, pki.node).supply(1, supplyPayload(1)), "unauthorized");
  t.is(unlisted.store.size, 0);
});

test("many messages may be outstanding, in frames split anywhere", async (t) => {
  const km = await plainKm(t);
  const client = await connect(t, km);
  const count = 300;
  const stream = Buffer.concat(
    Array.from({ length: count }, (_, n) => frame(1000 + n, supplyPayload(n))),
  );
  for (let at = 0; at < stream.length; at += 997) client.send(stream.subarray(at, at + 997));
  for (let n = 0; n < count; n++) t.is((await client.next())?.messageId, 1000 + n);
  await km.holding(count, soon());
  t.is(km.store.size, count);
  t.is(km.counts.answers.success, count);
});

test("a repeat is a success and is stored once; other bytes under the ID are refused", async (t) => {
  const km = await plainKm(t);
  const client = await connect(t, km);
  t.is(await client.supply(1, supplyPayload(1)), "success");
  t.is(await client.supply(2, supplyPayload(1)), "success");
  const other = { key: testKey(2).toString("base64") };
  t.is(await client.supply(3, supplyPayload(1, other)), "duplicate_key_ID");
  t.like(km.store.summary(), { keys: 1, repeats: 1, conflicts: 1 });
  t.deepEqual(Buffer.from(km.store.bytes(testId(1)) ?? []), testKey(1));
});

test("a message that breaks a rule is refused, and the connection goes on", async (t) => {
  const km = await plainKm(t, {
    store: new KmStore({ maxKeys: 1 }),
    policy: { modules: ["alice-1"], keyBits: { min: 256, max: 512 } },
  });
  const client = await connect(t, km);
  const wrongHash = { hash_value: `sha-256:${"0".repeat(64)}` };
  const short = { key: testKey(1, 31).toString("base64") };
  t.is(await client.supply(1, supplyPayload(1, { key_length: 128 })), "invalid_message");
  t.is(await client.supply(2, supplyPayload(1, wrongHash)), "hash_mismatch");
  t.is(await client.supply(3, supplyPayload(1, { qkd_module_ID: "eve" })), "unknown_module");
  t.is(await client.supply(4, supplyPayload(1, short)), "key_length_unsupported");
  t.is(await client.supply(5, supplyPayload(1)), "success");
  t.is(await client.supply(6, supplyPayload(2)), "storage_full");
  t.is(km.store.size, 1);
});

test("a message that can't be followed is answered, then the connection is closed", async (t) => {
  const km = await plainKm(t);
  for (const bytes of [
    frame(7, supplyPayload(1), { version: 2 }),
    frame(7, supplyPayload(1), { code: 9 }),
    frame(7, "{}", { code: 3 }),
    frame(7, "{oops"),
    frame(7, ""),
  ]) {
    const client = await connect(t, km);
    // What comes after it is not looked at.
    client.send(Buffer.concat([bytes, frame(8, supplyPayload(1))]));
    const answer = await client.next();
    t.like(answer, { messageId: 7, code: 2, payload: { response: "invalid_message" } });
    t.is(await client.next(), undefined);
  }
  t.is(km.store.size, 0);
});

test("an answer to nothing closes the connection without a word", async (t) => {
  const km = await plainKm(t);
  for (const code of [2, 4]) {
    const client = await connect(t, km);
    client.send(frame(1, "{}", { code }));
    t.is(await client.next(), undefined);
  }
  t.is(km.counts.badResponses, 2);
});

test("a frame that is never completed ends its connection at the deadline", async (t) => {
  const clock = new StoppedClock();
  const km = await plainKm(t, { clock });
  const client = await connect(t, km);
  const whole = frame(1, supplyPayload(1));
  t.is(await client.supply(1, supplyPayload(1)), "success");
  client.send(whole.subarray(0, 15));
  const expire = await clock.armed;
  t.is(km.counts.open, 1);
  expire();
  t.is(await client.next(), undefined);
});

test("a KM that is down for a while is back on its port with its keys", async (t) => {
  const km = await plainKm(t);
  const { port } = km;
  const before = await connect(t, km);
  t.is(await before.supply(1, supplyPayload(1)), "success");
  await Promise.all([km.stop(), km.stop()]);
  t.is(await before.next(), undefined);
  await t.throwsAsync(RawClient.plain(port), { code: "ECONNREFUSED" });
  t.is(await km.listen(), port);
  const after = await connect(t, km);
  t.is(await after.supply(1, supplyPayload(1)), "success");
  t.is(await after.supply(2, supplyPayload(2)), "success");
  t.like(km.store.summary(), { keys: 2, repeats: 1 });
  await km.close();
  await km.close();
  t.is(km.store.size, 0);
});

test("a handshake that is not over does not hold up the stop", async (t) => {
  const km = await tlsKm(t);
  const client = await connect(t, km);
  client.send(Buffer.from([0x16]));
  await km.stop();
  t.is(await client.next(), undefined);
});

test("a KM that listens already, or whose port is taken, says so", async (t) => {
  const km = await plainKm(t);
  await t.throwsAsync(km.listen(), { code: "kq1.connect" });
  const other = new KeyManager({ security: "plain" });
  await t.throwsAsync(other.listen({ port: km.port }), { message: /EADDRINUSE/ });
  t.true((await other.listen({ port: 0 })) > 0, "and can try again");
  await other.close();
});

test("TLS material that is none is told without being quoted", async (t) => {
  const security = { cert: "CANARY", key: "CANARY", ca: "CANARY" };
  const error = await t.throwsAsync(new KeyManager({ security }).listen(), { code: "kq1.connect" });
  t.notRegex(error.message, /CANARY/);
});

test("told to refuse the next two keys, it does, and then takes them", async (t) => {
  const km = await plainKm(t);
  km.behave(answerWith("busy", 2));
  const client = await connect(t, km);
  const answers: unknown[] = [];
  for (const id of [1, 2, 3]) answers.push(await client.supply(id, supplyPayload(1)));
  t.deepEqual(answers, ["busy", "busy", "success"]);
  t.like(km.store.summary(), { keys: 1, repeats: 0 });
  t.like(km.counts.answers, { busy: 2, success: 1 });
});

test("a connection can be cut before a key is stored, or after it, and no answer comes", async (t) => {
  for (const moment of ["before storing", "before answering"] as const) {
    const km = await plainKm(t);
    km.behave(dropConnection(moment));
    t.is(await (await connect(t, km)).supply(1, supplyPayload(1)), undefined);
    t.is(km.store.size, moment === "before storing" ? 0 : 1, moment);
    t.is(km.counts.answers.success, 0);
    t.is(await (await connect(t, km)).supply(1, supplyPayload(1)), "success");
    t.is(km.store.size, 1);
  }
});

test("an answer can fail to come while others do", async (t) => {
  const km = await plainKm(t);
  km.behave(neverAnswer("before answering", 1));
  const client = await connect(t, km);
  client.send(frame(1, supplyPayload(1)));
  t.is(await client.supply(2, supplyPayload(2)), "success");
  t.deepEqual(km.store.ids(), [testId(1), testId(2)]);
  t.is(km.counts.answers.success, 1);
});

test("a behaviour can answer later, once, and be taken away", async (t) => {
  const km = await plainKm(t);
  const late: (() => void)[] = [];
  const slow: Behaviour = {
    onAnswer(exchange, reason) {
      late.push(() => exchange.answer(reason));
      return "handled";
    },
  };
  const undo = km.behave(slow);
  const client = await connect(t, km);
  const stored = once(km, "stored", { signal: soon() });
  client.send(frame(1, supplyPayload(1)));
  await stored;
  undo();
  t.is(await client.supply(2, supplyPayload(2)), "success");
  for (const answer of [...late, ...late]) answer();
  t.is((await client.next())?.messageId, 1);
  t.is(km.counts.answers.success, 2);
});

test("waiting for keys ends when they are there, or when the wait is given up", async (t) => {
  const km = await plainKm(t);
  const both = km.holding(2, soon());
  const never = new AbortController();
  const given = km.holding(3, never.signal);
  const client = await connect(t, km);
  for (const n of [1, 2]) await client.supply(n, supplyPayload(n));
  await both;
  never.abort(new Error("given up"));
  await t.throwsAsync(given, { message: "given up" });
  await t.throwsAsync(km.holding(3, AbortSignal.abort(new Error("over"))), { message: "over" });
  await km.holding(2, soon());
  t.is(km.listenerCount("stored"), 0);
});
