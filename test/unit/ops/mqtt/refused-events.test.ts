/** What is said of events that a broker does not take. */
import test from "ava";
import { createLog } from "../../../../src/base/log.ts";
import type { Source, StreamItem } from "../../../../src/ops/manager/stream.ts";
import { topics } from "../../../../src/ops/manager/topics.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { accepted, type OnPacket, puback, ScriptedBroker } from "../../../rig/scripted-broker.ts";

async function bench(onPacket: OnPacket) {
  const broker = await new ScriptedBroker(5, onPacket).listen();
  const clock = new ManualClock();
  const lines: string[] = [];
  const log = createLog((line) => lines.push(line), "warn");
  /** Something else that is told in order. */
  const others: StreamItem[] = [];
  let taken = 0;
  const source: Source = {
    onChange: () => {},
    next: () => others.shift(),
    done: () => {
      taken++;
    },
    drop: () => {},
    rewind: () => {},
  };
  const other = { name: "others", topic: "others", kind: topics.event, source };
  const streams = [other];
  const { manager: node, outbox } = await manager(broker.url, { clock, log, streams });
  node.show({ modules: [] });
  const refusals = () => lines.filter((line) => line.includes("refuses events"));
  const close = async () => {
    node.stop();
    await broker.close();
  };
  /** All that the broker has answered so far has come. */
  const answered = async () => {
    const before = taken;
    others.push({ payload: Buffer.from("{}") });
    source.onChange();
    await eventually("one more is taken", () => taken, { is: before + 1 });
  };
  return { clock, node, outbox, refusals, answered, close };
}

test("events that are longer than the broker takes are told with their length, some of many", async (t) => {
  const { node, outbox, refusals, close } = await bench((packet, client) => {
    if (packet.cmd === "connect") client.send(accepted({ maximumPacketSize: 300 }));
    return packet.cmd === "connect";
  });
  const facts = { text: "x".repeat(400) };
  for (let n = 0; n < 100; n++) node.event({ type: "long", at: 0, facts });
  await node.connect(never);
  await eventually("events that wait", () => outbox.length, { is: 0 });
  t.is(outbox.dropped, 100);
  t.regex(refusals()[0] ?? "", /one is given up.* why="longer than the broker takes" bytes=5\d\d/);
  t.is(refusals().length, 7);
  await close();
});

test("a broker that refuses events for long is told seldom, and anew when it was well for long", async (t) => {
  let refuses = true;
  let refused = 0;
  const { clock, node, outbox, refusals, answered, close } = await bench((packet, client) => {
    if (packet.cmd !== "publish" || !packet.topic.endsWith("/event") || !refuses) return false;
    refused++;
    client.send(puback(packet.messageId, 0x97));
    return true;
  });
  node.event({ type: "test", at: 0, facts: {} });
  await node.connect(never);
  for (let n = 1; n <= 20; n++) {
    await eventually("refusals", () => refused, { is: n });
    await answered();
    await clock.advance(30_000);
  }
  t.is(refusals().length, 5);
  refuses = false;
  await clock.advance(30_000);
  await eventually("events that wait", () => outbox.length, { is: 0 });
  await answered();
  await clock.advance(700_000);
  refuses = true;
  node.event({ type: "test", at: 0, facts: {} });
  await eventually("refusals that were told", () => refusals().length, { is: 6 });
  await close();
});
