import { createConnection } from "node:net";
import test from "ava";
import { generate, type Packet } from "mqtt-packet";
import type { Fault } from "../../../../src/base/errors.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { reconnecting } from "../../../../src/host/life/reconnecting.ts";
import { brokerWaits } from "../../../../src/ops/mqtt/waits.ts";
import { rounds } from "../../../campaign-scale.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { random } from "../../../random.ts";
import { manager, moduleView, never } from "../../../rig/manager-bench.ts";
import {
  accepted,
  disconnect,
  puback,
  refused,
  ScriptedBroker,
} from "../../../rig/scripted-broker.ts";

async function withScripted(body: (broker: ScriptedBroker) => Promise<void>): Promise<void> {
  const broker = await new ScriptedBroker(5).listen();
  try {
    await body(broker);
  } finally {
    await broker.close();
  }
}

const events = (broker: ScriptedBroker) =>
  broker.published.filter(({ topic }) => topic.endsWith("/event"));
const id = ({ payload }: { payload: Buffer }) => JSON.parse(payload.toString()).event_id as string;
/** Of the nth event of the node of these tests. */
const eventId = (n: number) => `node-a-3-00112233aabbccdd-${n}`;

for (const [code, why] of [
  [0x87, /not authorized/],
  [0x88, /broker unavailable/],
  [0x94, /a topic alias was wrong/],
  [0x97, /quota/],
  [0x9a, /broker has no retained messages/],
  [0x9b, /broker has no QoS 1/],
  [0x9c, /another one to be used/],
  [0x9f, /connection rate/],
  [0xff, /reason code 255|failed/],
] as const) {
  test(`a CONNACK with reason 0x${code.toString(16)} is a fault that says so`, async (t) => {
    await withScripted(async (broker) => {
      broker.onPacket = (packet, client) => {
        if (packet.cmd === "connect") client.socket.end(Buffer.from([0x20, 3, 0, code, 0]));
        return true;
      };
      const { manager: node } = await manager(broker.url);
      const error = await t.throwsAsync(node.connect(never));
      t.is((error as Fault).code, "mqtt.connect");
      if (code !== 0xff) t.regex(error?.message ?? "", why);
    });
  });
}

test("where a broker sends its clients is told, and not gone to", async (t) => {
  const moved = { reasonCode: 0x9d, properties: { serverReference: "mqtt-2.example:8883" } };
  await withScripted(async (broker) => {
    const { manager: node } = await manager(broker.url);
    const session = await node.connect(never);
    broker.raw(generate({ cmd: "disconnect", ...moved }, { protocolVersion: 5 }));
    const error = await session.ended;
    t.is((error as Fault).facts.why, "broker has moved: mqtt-2.example:8883");
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect") return false;
      const answer: Packet = { cmd: "connack", sessionPresent: false, ...moved };
      client.socket.end(generate(answer, { protocolVersion: 5 }));
      return true;
    };
    const refused = await t.throwsAsync(node.connect(never), { code: "mqtt.connect" });
    t.regex(refused?.message ?? "", /broker has moved: mqtt-2\.example:8883$/);
  });
});

test("a broker of MQTT 3.1.1 that refuses a client without a word is told to have its reasons in its log", async (t) => {
  await withScripted(async (broker) => {
    broker.onPacket = (packet, client) => {
      if (packet.cmd === "connect") client.socket.end();
      return true;
    };
    const { manager: node } = await manager(broker.url);
    const error = await t.throwsAsync(node.connect(never), { code: "mqtt.connect" });
    t.regex(error?.message ?? "", /closed without an answer: its log says why/);
  });
});

test("a takeover is noticed, and the node waits long before it takes over in turn", async (t) => {
  await withScripted(async (broker) => {
    const { manager: node } = await manager(broker.url);
    const session = await node.connect(never);
    const waits = brokerWaits(() => node.takenOver, random(1));
    t.true(waits.next().value <= 2_000);
    broker.raw(Buffer.from([0xe0, 2, 0x8e, 0]));
    const error = await session.ended;
    t.regex(String((error as Fault).facts.why), /another client took over/);
    await eventually("whether it is taken over", () => node.takenOver);
    for (let n = 0; n < 100; n++) {
      const wait = waits.next().value;
      t.true(wait >= 20_000 && wait <= 40_000);
    }
    const again = await node.connect(never);
    broker.raw(Buffer.from([0xe0, 2, 0x8b, 0]));
    await again.ended;
    await eventually("whether it is taken over", () => !node.takenOver);
  });
});

test("waits are never under a second, grow to half a minute, and differ from node to node", (t) => {
  const schedule = (seed: number) => {
    const waits = brokerWaits(() => false, random(seed));
    return Array.from({ length: 20 }, () => waits.next().value);
  };
  const first = new Set<number>();
  for (let seed = 0; seed < 100; seed++) {
    const waits = schedule(seed);
    for (const wait of waits) t.true(wait >= 1_000 && wait <= 30_000);
    t.true((waits[19] as number) >= 15_000);
    first.add(Math.round(waits[0] as number));
  }
  t.true(first.size > 50);
});

test("messages longer than the broker takes are not sent, and the connection stays", async (t) => {
  await withScripted(async (broker) => {
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect") return false;
      client.send(accepted({ maximumPacketSize: 300 }));
      return true;
    };
    const { manager: node, outbox } = await manager(broker.url);
    node.show({ modules: [moduleView] });
    node.event({ type: "long", at: 0, facts: { text: "x".repeat(400) } });
    node.event({ type: "short", at: 0, facts: {} });
    const session = await node.connect(never);
    await eventually("messages in the outbox", () => outbox.length, { is: 0 });
    t.deepEqual(events(broker).map(id), [eventId(2)]);
    t.is(outbox.dropped, 1, "and it is told that one was given up");
    t.is(broker.connections, 1);
    node.stop();
    await session.close();
  });
});

test("a broker without retained messages gets none", async (t) => {
  await withScripted(async (broker) => {
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect") return false;
      client.send(accepted({ retainAvailable: false }));
      return true;
    };
    const { manager: node } = await manager(broker.url);
    const session = await node.connect(never);
    await eventually("messages published", () => broker.published.length, { atLeast: 1 });
    t.true(broker.published.every(({ retain }) => !retain));
    await session.close();
  });
});

test("a broker that refuses events for now gets states, and later the events, the same ones", async (t) => {
  await withScripted(async (broker) => {
    let full = true;
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "publish" || !packet.topic.endsWith("/event") || !full) return false;
      client.send(puback(packet.messageId, 0x97));
      return true;
    };
    const clock = new ManualClock();
    const { manager: node, outbox } = await manager(broker.url, { clock });
    node.show({ modules: [moduleView] });
    for (let n = 0; n < 3; n++) node.event({ type: "test", at: 0, facts: { n } });
    await outbox.durable();
    const session = await node.connect(never);
    await eventually("events", () => events(broker).length, { atLeast: 1 });
    const before = broker.published.length;
    node.stateChanged("alice");
    await eventually("state is published", () =>
      broker.published.slice(before).some(({ topic }) => topic.endsWith("/state")),
    );
    t.is(outbox.length, 3);
    full = false;
    const offered = events(broker).length;
    await clock.advance(30_000);
    await eventually("messages in the outbox", () => outbox.length, { is: 0 });
    t.deepEqual(events(broker).slice(offered).map(id), [1, 2, 3].map(eventId));
    t.is(broker.connections, 1);
    node.stop();
    await session.close();
  });
});

test("a result goes where the command asked for, with its correlation data; or to its own topic", async (t) => {
  await withScripted(async (broker) => {
    const results: { topic: string; correlation: string; payload: string; type: string }[] = [];
    broker.onPacket = (packet) => {
      if (packet.cmd !== "publish" || !/^noc|\/result$/.test(packet.topic)) return false;
      const { correlationData, contentType = "" } = packet.properties ?? {};
      const correlation = String(correlationData ?? "");
      const payload = packet.payload.toString();
      results.push({ topic: packet.topic, correlation, payload, type: contentType });
      return false;
    };
    const { manager: node } = await manager(broker.url);
    const heard: string[] = [];
    node.show({
      modules: [],
      commands: {
        available: ["start"],
        submit({ command, payload, retained }, reply) {
          heard.push(`${command} ${payload} ${retained}`);
          reply({ status: "done", command });
        },
      },
    });
    const session = await node.connect(never);
    await eventually("inventory is published", () =>
      broker.published.some(({ topic }) => topic.endsWith("/inventory")),
    );
    const send = (responseTopic: string | undefined) => {
      const properties = {
        correlationData: Buffer.from("7"),
        ...(responseTopic !== undefined && { responseTopic }),
      };
      const topic = "qkdn/v1/node-a/cmd/start";
      const packet = { cmd: "publish", topic, payload: "x", qos: 1, messageId: 1, dup: false };
      const options = { protocolVersion: 5 };
      broker.raw(generate({ ...packet, retain: false, properties } as Packet, options));
    };
    for (const asked of ["noc/replies", undefined, "qkdn/v1/node-b/cmd/stop"]) {
      const before = results.length;
      send(asked);
      await eventually("results", () => results.length, { atLeast: before + 1 });
    }
    const own = "qkdn/v1/node-a/cmd/start/result";
    t.deepEqual(
      results.map(({ topic }) => topic),
      ["noc/replies", own, own],
      "nobody has signed the response topic: not to another node's commands",
    );
    t.true(results.every(({ correlation }) => correlation === "7"));
    t.true(results.every(({ type }) => type === "application/json"));
    t.deepEqual(new Set(heard), new Set(["start x false"]));
    await session.close();
  });
});

test("restarts and refusals of the broker by the hundred: at most one attempt a second, back within 60 s", async (t) => {
  const next = random(8);
  await withScripted(async (broker) => {
    const clock = new ManualClock();
    const { manager: node } = await manager(broker.url, { clock });
    let left = 0;
    /** Since when the broker would let the node in. */
    let there = 0;
    const codes = [0x87, 0x88, 0x97];
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect" || left === 0) return false;
      left--;
      there = clock.now();
      client.send(refused(codes[left % 3] as number));
      return true;
    };
    /** The broker does not even listen; and how many attempts are told so. */
    let closed = false;
    let refusals = 0;
    const attempts: number[] = [];
    let pending = 0;
    let up: number | undefined;
    const kept = reconnecting({
      name: "broker",
      connect: async (signal) => {
        attempts.push(clock.now());
        pending++;
        try {
          if (closed && left === 0) {
            await broker.listen();
            closed = false;
            there = clock.now();
          } else if (closed) {
            left--;
            refusals++;
          }
          const session = await node.connect(signal);
          up = clock.now();
          return session;
        } finally {
          pending--;
        }
      },
      onDown: () => {
        up = undefined;
      },
      schedule: () => brokerWaits(() => node.takenOver, next),
      settledAfterMs: 5_000,
      clock,
      log: silentLog,
    });
    let slowest = 0;
    for (let n = 0; n < rounds(500); n++) {
      while (up === undefined) {
        await eventually("messages that wait", () => pending, { is: 0 });
        if (up === undefined) await clock.advance(250);
      }
      slowest = Math.max(slowest, up - there);
      await clock.advance(6_000);
      left = Math.floor(next() * 4);
      there = clock.now();
      if (n % 3 === 0) broker.raw(Buffer.from([0xe0, 2, 0x8e, 0]));
      else if (n % 3 === 1) broker.drop();
      else {
        closed = true;
        await broker.close();
      }
      await eventually("connection", () => up, { is: undefined });
    }
    await eventually("messages that wait", () => pending, { is: 0 });
    const gaps = attempts.slice(1).map((at, i) => at - (attempts[i] as number));
    t.true(Math.min(...gaps) >= 1_000, `shortest ${Math.min(...gaps)} ms`);
    t.true(slowest <= 60_000, `slowest ${slowest} ms`);
    t.true(refusals > rounds(50), "attempts at a closed port as well");
    // Nodes that lost their broker in the same moment do not come back in the same moment.
    t.true(new Set(gaps.map((gap) => Math.round(gap))).size > gaps.length / 4);
    t.log(
      `${attempts.length} attempts, shortest gap ${Math.round(Math.min(...gaps))} ms, back after ${slowest} ms at most`,
    );
    const stopped = kept.stop();
    await clock.advance(10_000);
    await stopped;
  });
});

for (const [says, unanswered, ends] of [
  ["a broker that is slow to answer hears that the node stops, and sends no will", 4, true],
  ["a broker with no room for the goodbye is left its will", 10, false],
] as const) {
  test(says, async (t) => {
    await withScripted(async (broker) => {
      const clock = new ManualClock();
      let events = 0;
      let said = false;
      let closed = false;
      broker.onPacket = (packet, client) => {
        if (packet.cmd === "connect") client.socket.once("close", () => (closed = true));
        if (packet.cmd === "disconnect") said = true;
        if (packet.cmd !== "publish" || !packet.topic.endsWith("/event")) return said;
        events++;
        return true;
      };
      const { manager: node } = await manager(broker.url, { clock });
      const session = await node.connect(never);
      await eventually("birth and inventory", () => broker.published.length, { is: 2 });
      for (let n = 0; n < unanswered; n++) node.event({ type: "test", at: 0, facts: { n } });
      await eventually("events", () => events, { is: unanswered });
      // The goodbye is never acknowledged either.
      const answer = broker.onPacket;
      broker.onPacket = (packet, client) => packet.cmd === "publish" || answer(packet, client);
      const stopped = session.close();
      for (let n = 0; n < 4; n++) await clock.advance(500);
      await stopped;
      await eventually("the end", () => closed);
      t.is(said, ends);
      const last = broker.published.at(-1)?.payload.toString() ?? "";
      t.is(last.includes('"stopped"'), ends);
    });
  });
}

test("the test's own broker answers: a plain socket that is no MQTT is cut", async (t) => {
  await withScripted(async (broker) => {
    const socket = createConnection(broker.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.write(Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    await new Promise((resolve) => socket.once("close", resolve));
    t.is(typeof disconnect(0).cmd, "string");
  });
});
