/** What mqtt.js does that a node must not: each is shown first, then that the node does not do it. */

import test from "ava";
import mqtt, { type MqttClient } from "mqtt";
import { systemClock } from "../../../../src/base/clock.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { reconnecting } from "../../../../src/host/life/reconnecting.ts";
import { brokerWaits } from "../../../../src/ops/mqtt/waits.ts";
import { eventually } from "../../../eventually.ts";
import { random } from "../../../random.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import { accepted, puback, refused, ScriptedBroker } from "../../../rig/scripted-broker.ts";

type Body = (broker: ScriptedBroker) => Promise<void>;

async function withScripted(body: Body): Promise<void> {
  const broker = await new ScriptedBroker(5).listen();
  try {
    await body(broker);
  } finally {
    await broker.close();
  }
}

function raw(broker: ScriptedBroker, reconnectPeriod = 1): MqttClient {
  const client = mqtt.connect(broker.url, { protocolVersion: 5, reconnectPeriod });
  client.on("error", () => {});
  return client;
}

function heard(client: MqttClient, event: "connect" | "close"): Promise<void> {
  return new Promise((resolve) => client.once(event, () => resolve()));
}

/** Waiting times for tests on the real clock. */
function* soon(): Generator<number, never> {
  for (;;) yield 1;
}

test("trap: mqtt.js gives up after one refusal in CONNACK; the node tries again", async (t) => {
  await withScripted(async (broker) => {
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect" || client.number % 4 === 0) return false;
      client.send(refused(0x88));
      return true;
    };
    const client = raw(broker);
    await heard(client, "close");
    t.false(client.reconnecting);
    t.falsy(Reflect.get(client, "reconnectTimer"), "no attempt is planned");
    await client.endAsync(true);
    t.is(broker.connections, 1);

    const { manager: node } = await manager(broker.url);
    const kept = reconnecting({
      name: "broker",
      connect: (signal) => node.connect(signal),
      schedule: soon,
      settledAfterMs: 5_000,
      clock: systemClock,
      log: silentLog,
    });
    await eventually("status is published", () =>
      broker.published.some(({ topic }) => topic.endsWith("/status")),
    );
    t.is(broker.connections, 4);
    await kept.stop();
  });
});

test("trap: mqtt.js sends more than the broker's Receive Maximum; the node never does", async (t) => {
  let unacknowledged: number[] = [];
  let most = 0;
  const limited: ScriptedBroker["onPacket"] = (packet, client) => {
    if (packet.cmd === "connect") {
      unacknowledged = [];
      client.send(accepted({ receiveMaximum: 3 }));
      return true;
    }
    if (packet.cmd !== "publish" || packet.qos === 0) return false;
    unacknowledged.push(packet.messageId as number);
    most = Math.max(most, unacknowledged.length);
    // Acknowledged only when nothing more comes by itself.
    setImmediate(() => {
      const id = unacknowledged.shift();
      if (id !== undefined) client.send(puback(id));
    });
    return true;
  };
  await withScripted(async (broker) => {
    broker.onPacket = limited;
    const client = raw(broker);
    await heard(client, "connect");
    await Promise.all(Array.from({ length: 50 }, () => client.publishAsync("x", "x", { qos: 1 })));
    await client.endAsync(true);
    t.true(most > 3, `mqtt.js had ${most} unacknowledged`);

    most = 0;
    const { manager: node, outbox } = await manager(broker.url);
    node.show({ modules: [moduleView] });
    for (let n = 0; n < 50; n++) node.event({ type: "test", at: 0, facts: { n } });
    const session = await node.connect(never);
    await eventually("messages in the outbox", () => outbox.length, { is: 0 });
    t.is(most, 3);
    node.stop();
    await session.close();
  });
});

test("trap: mqtt.js loses what is published while it replays; the node sends it again", async (t) => {
  await withScripted(async (broker) => {
    const lost = Promise.withResolvers<Error | undefined>();
    const client = raw(broker);
    broker.onPacket = (packet, { number, socket }) => {
      if (packet.cmd !== "publish" || number > 2) return false;
      // The second connection replays what the first did not acknowledge.
      if (number === 2) {
        client.publish("second", "2", { qos: 1 }, (error) => lost.resolve(error ?? undefined));
      }
      socket.destroy();
      return true;
    };
    await heard(client, "connect");
    client.publish("first", "1", { qos: 1 });
    t.regex((await lost.promise)?.message ?? "", /closed/i);
    await eventually("a third connection", () =>
      broker.published.some(({ connection }) => connection > 2),
    );
    await client.endAsync(true);
    const arrived = broker.published.filter(({ connection }) => connection > 2);
    t.deepEqual(
      arrived.map(({ topic }) => topic),
      ["first"],
    );
  });
  await withScripted(async (broker) => {
    // Cut at the first event of each of the first connections, whatever else was on its way.
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "publish" || client.number > 5 || !packet.topic.endsWith("/event"))
        return false;
      client.socket.destroy();
      return true;
    };
    const { manager: node, outbox } = await manager(broker.url);
    for (let n = 0; n < 10; n++) node.event({ type: "test", at: 0, facts: { n } });
    await outbox.durable();
    for (let n = 1; n <= 5; n++) {
      const session = await node.connect(never);
      node.event({ type: "test", at: 0, facts: { n: 9 + n } });
      await session.ended;
    }
    const session = await node.connect(never);
    await eventually("messages in the outbox", () => outbox.length, { is: 0 });
    const last = broker.published.filter(
      ({ topic, connection }) => topic.endsWith("/event") && connection === 6,
    );
    t.deepEqual(
      last.map(({ payload }) => JSON.parse(payload.toString()).facts.n),
      Array.from({ length: 15 }, (_, n) => n),
    );
    await session.close();
  });
});

test("trap: mqtt.js keeps everything for a broker that is away; the node keeps what must be kept", async (t) => {
  const client = mqtt.connect("mqtt://127.0.0.1:1", { reconnectPeriod: 0 });
  client.on("error", () => {});
  for (let n = 0; n < 5_000; n++) client.publish("telemetry", "x", { qos: 1 });
  const kept = await client.outgoingStore.createStream().toArray();
  t.is(kept.length, 5_000);
  client.end(true);

  const { manager: node, outbox } = await manager("mqtt://127.0.0.1:1");
  node.show({ modules: [moduleView] });
  for (let n = 0; n < 5_000; n++) node.stateChanged("alice");
  t.is(outbox.length, 0);
  node.stop();
});

test("trap: mqtt.js clients that lose a broker together come back together; nodes do not", async (t) => {
  await withScripted(async (broker) => {
    const clients = Array.from({ length: 10 }, () => raw(broker, 5_000));
    await Promise.all(clients.map((client) => heard(client, "connect")));
    const closed = Promise.all(clients.map((client) => heard(client, "close")));
    broker.drop();
    await closed;
    await eventually("each waits to connect again", () =>
      clients.every((client) => Reflect.get(client, "reconnectTimer")),
    );
    // What Node.js will wait: of one timer after the other, and all the same.
    const waits = clients.map((client) =>
      Number(Reflect.get(Reflect.get(client, "reconnectTimer"), "_idleTimeout")),
    );
    t.deepEqual(new Set(waits), new Set([5_000]));
    for (const client of clients) client.end(true);
  });
  const first = Array.from({ length: 10 }, (_, node) =>
    Math.round(brokerWaits(() => false, random(node)).next().value),
  );
  t.is(new Set(first).size, 10);
  t.true(Math.max(...first) - Math.min(...first) > 400, "spread over most of a second");
});
