/** Topic and correlation data of a command are any client's: an answer that has no room for them is left out, and told. */
import test from "ava";
import { generate, type Packet } from "mqtt-packet";
import { createLog } from "../../../../src/base/log.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { accepted, ScriptedBroker } from "../../../rig/scripted-broker.ts";

const prefix = "qkdn/v1/node-a/cmd/";

async function answering(protocol: 4 | 5, limits: object = {}) {
  const broker = await new ScriptedBroker(protocol).listen();
  broker.onPacket = (packet, client) => {
    if (packet.cmd !== "connect") return false;
    client.send(accepted(limits));
    return true;
  };
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  const { manager: node } = await manager(broker.url, { protocol, clock: new ManualClock(), log });
  node.show({
    modules: [],
    commands: { available: [], submit: (_, reply) => reply({ status: "refused" }) },
  });
  await node.connect(never);
  return { broker, node, lines };
}

function command(protocolVersion: 4 | 5, more: object): Buffer {
  const packet = { cmd: "publish", topic: `${prefix}start`, payload: "", qos: 0, dup: false };
  return generate({ ...packet, retain: false, ...more } as Packet, { protocolVersion });
}

for (const [protocol, header] of [
  [4, 6],
  [5, 7],
] as const) {
  test(`a command on the longest topic that a packet has room for ends nothing (${protocol})`, async (t) => {
    const { broker, node, lines } = await answering(protocol);
    t.teardown(() => broker.close());
    t.teardown(() => node.stop());
    const topic = prefix.padEnd(65_536 - header, "x");
    broker.raw(command(protocol, { topic }));
    broker.raw(command(protocol, {}));
    const answers = () => broker.published.filter((one) => one.topic.endsWith("/result"));
    await eventually("answer to the next", () => answers().length, { is: 1 });
    t.is(answers()[0]?.topic, `${prefix}start/result`);
    t.is(broker.connections, 1);
    t.regex(lines.join("\n"), /broker refuses a result" .*topic longer than MQTT allows: 65535/);
    t.true(lines.every((line) => line.length < 1_000));
  });
}

test("correlation data counts towards the broker's Maximum Packet Size", async (t) => {
  const { broker, node, lines } = await answering(5, { maximumPacketSize: 2_000 });
  t.teardown(() => broker.close());
  t.teardown(() => node.stop());
  const asking = (bytes: number) => {
    const properties = { responseTopic: `to/${bytes}`, correlationData: Buffer.alloc(bytes, 65) };
    broker.raw(command(5, { properties }));
  };
  for (const bytes of [1_950, 1_000]) asking(bytes);
  const answers = () => broker.published.filter(({ topic }) => topic.startsWith("to/"));
  await eventually("answer to the shorter", () => answers().length, { is: 1 });
  t.is(answers()[0]?.topic, "to/1000");
  t.regex(lines.join("\n"), /broker refuses a result" topic=to\/1950 why="longer than the broker/);
});
