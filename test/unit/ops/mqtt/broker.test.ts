import { once } from "node:events";
import test, { type ExecutionContext } from "ava";
import { connectAsync, type IClientOptions } from "mqtt";
import { Broker } from "../../../emulator/broker.ts";
import { patience } from "../../../patience.ts";

/** A deadline for events that are sure to come; a test that meets it has failed. */
const soon = () => patience(20_000);

async function startBroker(t: ExecutionContext, limit?: number): Promise<Broker> {
  const broker = new Broker(limit);
  await broker.listen();
  t.teardown(() => broker.close());
  return broker;
}

async function connect(t: ExecutionContext, broker: Broker, options: IClientOptions = {}) {
  const client = await connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
    protocolVersion: 4,
    reconnectPeriod: 0,
    ...options,
  });
  t.teardown(() => client.endAsync(true));
  return client;
}

test("what a client publishes is recorded as it was sent", async (t) => {
  const broker = await startBroker(t);
  const client = await connect(t, broker);
  const seen = broker.published(({ topic }) => topic === "a/b", soon());
  await client.publishAsync("a/a", "first");
  await client.publishAsync("a/b", "second", { qos: 1, retain: true });
  const second = { topic: "a/b", payload: Buffer.from("second"), qos: 1, retain: true } as const;
  t.deepEqual(await seen, second);
  t.deepEqual(broker.messages, [
    { topic: "a/a", payload: Buffer.from("first"), qos: 0, retain: false },
    second,
  ]);
  t.deepEqual(await broker.published(({ qos }) => qos === 1, soon()), second);
});

test("the oldest messages are forgotten beyond the limit", async (t) => {
  const broker = await startBroker(t, 2);
  const client = await connect(t, broker);
  for (const topic of ["1", "2", "3"]) await client.publishAsync(topic, "", { qos: 1 });
  t.deepEqual(
    broker.messages.map(({ topic }) => topic),
    ["2", "3"],
  );
  t.is(broker.forgotten, 1);
});

test("a client that is cut off has its will sent", async (t) => {
  const broker = await startBroker(t);
  const will = { topic: "status", payload: Buffer.from("offline"), qos: 1, retain: true } as const;
  await connect(t, broker, { will });
  broker.dropClients();
  t.deepEqual(await broker.published(({ topic }) => topic === "status", soon()), will);
});

test("a broker that is down for a while is back on its port, and sends no wills", async (t) => {
  const broker = await startBroker(t);
  const { port } = broker;
  const will = { topic: "status", payload: Buffer.from("offline"), qos: 1, retain: false } as const;
  const client = await connect(t, broker, { will, clientId: "node-a" });
  const closed = new Promise<void>((resolve) => client.once("close", () => resolve()));
  await Promise.all([broker.close(), broker.close()]);
  await closed;
  await t.throwsAsync(connect(t, broker), { code: "ECONNREFUSED" });

  t.is(await broker.listen(), port);
  const connected = once(broker, "connected", { signal: soon() });
  const again = await connect(t, broker, { clientId: "node-b" });
  t.deepEqual(await connected, ["node-b"]);
  await again.publishAsync("back", "", { qos: 1 });
  t.deepEqual(
    broker.messages.map(({ topic }) => topic),
    ["back"],
  );
  await t.throwsAsync(broker.listen(), { code: "mqtt.connect" });
});

test("a wait for a message can be given up", async (t) => {
  const broker = await startBroker(t);
  const reason = new Error("given up");
  const end = new AbortController();
  const waiting = broker.published(() => true, end.signal);
  end.abort(reason);
  t.is(await t.throwsAsync(waiting), reason);
  t.is(broker.listenerCount("published"), 0);
});
