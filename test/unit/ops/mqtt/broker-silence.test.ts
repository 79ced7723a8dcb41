/** A broker that lets a program in and then takes or gives nothing is one that is away. */
import test from "ava";
import type { Fault } from "../../../../src/base/errors.ts";
import { createLog } from "../../../../src/base/log.ts";
import { KeptBroker } from "../../../../src/ops/mqtt/kept.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { accepted, ScriptedBroker } from "../../../rig/scripted-broker.ts";

test("a broker that does not answer a subscription is given up after 10 s", async (t) => {
  const broker = await new ScriptedBroker(5).listen();
  const clock = new ManualClock();
  const { manager: node, outbox } = await manager(broker.url, { clock });
  node.show({ modules: [], commands: { available: [], submit: () => {} } });
  let asked = 0;
  let answers = false;
  broker.onPacket = (packet) => {
    if (packet.cmd === "subscribe") asked++;
    return packet.cmd === "subscribe" && !answers;
  };
  const answered = async () => {
    node.event({ type: "test", at: 0, facts: {} });
    await eventually("events that wait", () => outbox.length, { is: 0 });
  };
  const session = await node.connect(never);
  await eventually("subscription", () => asked, { is: 1 });
  await answered();
  await clock.advance(9_999);
  await answered();
  await clock.advance(1);
  const error = (await session.ended) as Fault;
  t.is(error.facts.why, "no answer to a subscription within 10000 ms");
  t.false(node.takenOver);
  answers = true;
  const good = await node.connect(never);
  await answered();
  await clock.advance(60_000);
  await answered();
  t.is(broker.connections, 2, "one that answers is not given up");
  node.stop();
  const closed = good.close();
  await clock.advance(2_000);
  await closed;
  await broker.close();
});

for (const [name, property, bytes] of [
  ["Receive Maximum", { receiveMaximum: 1 }, Buffer.from([0x21, 0, 0])],
  ["Maximum Packet Size", { maximumPacketSize: 1 }, Buffer.from([0x27, 0, 0, 0, 0])],
] as const) {
  test(`a broker whose ${name} is 0 is refused, and told`, async (t) => {
    const broker = await new ScriptedBroker(5).listen();
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect") return false;
      // Session not present, reason 0, and the properties.
      const body = Buffer.concat([Buffer.from([0, 0, bytes.length]), bytes]);
      client.socket.write(Buffer.concat([Buffer.from([0x20, body.length]), body]));
      return true;
    };
    const { manager: node } = await manager(broker.url);
    const error = await t.throwsAsync(node.connect(never));
    t.is((error as Fault).code, "mqtt.connect");
    t.regex(error?.message ?? "", new RegExp(`its ${name} is 0`));
    // The smallest that is allowed is.
    broker.onPacket = (packet, client) => {
      if (packet.cmd !== "connect") return false;
      client.send(accepted(property));
      return true;
    };
    await t.notThrowsAsync(node.connect(never));
    broker.drop();
    await broker.close();
  });
}

for (const silent of ["subscribe", "publish"] as const) {
  test(`a broker that answers no ${silent} is not told to be there, and tried less and less often`, async (t) => {
    const broker = await new ScriptedBroker(5).listen();
    const clock = new ManualClock();
    const { manager: node } = await manager(broker.url, { clock });
    const commands = { available: [], submit: () => {} };
    node.show({ modules: [], ...(silent === "subscribe" && { commands }) });
    let answers = false;
    broker.onPacket = ({ cmd }) => cmd === silent && !answers;
    const told: string[] = [];
    const lines: string[] = [];
    const kept = new KeptBroker({
      name: "broker",
      purpose: "manager",
      files: { ca: undefined, cert: undefined, key: undefined, password_file: undefined },
      clock,
      random: () => 0.5,
      log: createLog((line) => lines.push(line), "warn"),
    });
    kept.start(node, { onUp: () => told.push("up"), onDown: () => told.push("down") });
    for (const [index, wait] of [1_500, 3_000, 6_000].entries()) {
      const number = index + 1;
      await eventually("states", () => broker.published.length, { atLeast: 2 * number });
      await clock.advance(10_000);
      await eventually("given up", () => told.length, { is: number });
      await clock.advance(wait - 1);
      t.is(broker.connections, number);
      answers = number === 3;
      await clock.advance(1);
    }
    await eventually("there at last", () => told, { is: ["down", "down", "down", "up"] });
    t.is(broker.connections, 4);
    t.is(lines.length, 2, "the same words are told at powers of 2");
    node.stop();
    const stopped = kept.stop();
    await clock.advance(2_000);
    await stopped;
    await broker.close();
  });
}
