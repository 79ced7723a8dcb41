/** What a broker may send: what is too long is left out, what no broker may send ends the connection. */
import test from "ava";
import { generate, type Packet } from "mqtt-packet";
import type { Fault } from "../../../../src/base/errors.ts";
import { createLog } from "../../../../src/base/log.ts";
import { eventually } from "../../../eventually.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { accepted, ScriptedBroker } from "../../../rig/scripted-broker.ts";

const commandTopic = "qkdn/v1/node-a/cmd/start";

function publish(protocolVersion: 4 | 5, more: object): Buffer {
  const packet = { cmd: "publish", topic: commandTopic, payload: "x", qos: 0, dup: false };
  return generate({ ...packet, retain: false, ...more } as Packet, { protocolVersion });
}

async function connected(protocol: 4 | 5) {
  const broker = await new ScriptedBroker(protocol).listen();
  const acknowledged: number[] = [];
  broker.onPacket = (packet) => {
    if (packet.cmd === "puback") acknowledged.push(packet.messageId as number);
    return false;
  };
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const { manager: node } = await manager(broker.url, { protocol, log });
  const heard: string[] = [];
  node.show({
    modules: [],
    commands: { available: ["start"], submit: ({ payload }) => heard.push(String(payload)) },
  });
  const session = await node.connect(never);
  return { broker, node, session, heard, lines, acknowledged };
}

for (const protocol of [4, 5] as const) {
  test(`a message that is too long is left out, told once, and the connection stays (${protocol})`, async (t) => {
    const { broker, session, heard, lines, acknowledged, node } = await connected(protocol);
    const payload = Buffer.alloc(70_000, 65);
    const long = { topic: "qkdn/v1/evil/status", payload, retain: true };
    for (let n = 1; n <= 3; n++) {
      broker.raw(publish(protocol, { ...long, qos: 1, messageId: n }));
      broker.raw(publish(protocol, { payload: `command ${n}` }));
    }
    broker.raw(publish(protocol, { ...long, topic: "other" }));
    broker.raw(publish(protocol, { payload: "last", qos: 1, messageId: 9 }));
    await eventually("acknowledgements", () => acknowledged.length, { is: 4 });
    t.deepEqual(acknowledged, [1, 2, 3, 9], "else the broker would send them again for ever");
    t.deepEqual(heard, ["command 1", "command 2", "command 3", "last"]);
    t.is(lines.length, 2, "once a topic");
    t.regex(lines[0] ?? "", /too long.* topic=qkdn\/v1\/evil\/status bytes=700\d\d limit=65536/);
    t.is(broker.connections, 1);
    node.stop();
    await session.close();
    await broker.close();
  });

  test(`a message of QoS 2 ends the connection, with its reason (${protocol})`, async (t) => {
    const { broker, session, node } = await connected(protocol);
    broker.raw(publish(protocol, { qos: 2, messageId: 1 }));
    const error = (await session.ended) as Fault;
    t.regex(String(error.facts.why), /QoS that was not asked for/);
    t.false(node.takenOver);
    node.stop();
    await broker.close();
  });
}

test("any other packet that is too long ends the connection, again and again, and is no takeover", async (t) => {
  const { broker, session, node } = await connected(4);
  let ended = session.ended;
  for (let n = 0; n < 4; n++) {
    await eventually("worked", () => broker.published.length, { atLeast: 2 });
    broker.raw(Buffer.from([0x90, 0x80, 0x80, 0x10]));
    const error = (await ended) as Fault;
    t.regex(String(error.facts.why), /packet that is too long \(bytes=262148, limit=65536\)/);
    broker.published.length = 0;
    ended = (await node.connect(never)).ended;
  }
  t.false(node.takenOver);
  broker.drop();
  await ended;
  node.stop();
  await broker.close();
});

test("what no client understands ends the connection, and the reason says what", async (t) => {
  for (const [sent, why] of [
    [[0x00, 0x00], /^failed: Not supported$/],
    [[0x30, 0x02, 0x00, 0x05], /^failed: Cannot parse topic$/],
  ] as const) {
    const { broker, session, node } = await connected(4);
    broker.raw(Buffer.from(sent));
    const error = (await session.ended) as Fault;
    t.regex(String(error.facts.why), why);
    node.stop();
    await broker.close();
  }
});

test("why the library ends a session is told also while a message is unacknowledged", async (t) => {
  const second = accepted();
  const alias = { topic: "", properties: { topicAlias: 3 } };
  for (const [sent, why] of [
    [generate(second, { protocolVersion: 5 }), /^failed: Protocol error: duplicate CONNACK/],
    [publish(5, alias), /^failed: Received a PUBLISH Topic Alias/],
  ] as const) {
    const { broker, session, node } = await connected(5);
    let unanswered = 0;
    broker.onPacket = ({ cmd }) => {
      if (cmd === "publish") unanswered++;
      return cmd === "publish";
    };
    node.event({ type: "test", at: 0, facts: {} });
    await eventually("messages without an answer", () => unanswered, { atLeast: 1 });
    broker.raw(sent);
    const error = (await session.ended) as Fault;
    t.regex(String(error.facts.why), why);
    node.stop();
    await broker.close();
  }
});
