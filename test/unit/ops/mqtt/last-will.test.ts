/** What a broker is to say of a program that is lost is published as the program itself would. */
import test, { type ExecutionContext } from "ava";
import type { IConnectPacket } from "mqtt-packet";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { manager, never } from "../../../rig/manager-bench.ts";
import { ScriptedBroker } from "../../../rig/scripted-broker.ts";

test("the will is published as the birth is: topic, QoS, retained, content type", async (t) => {
  const broker = await new ScriptedBroker(5).listen();
  t.teardown(() => broker.close());
  const seen: { topic: string; qos?: unknown; retain?: unknown; type: string | undefined }[] = [];
  broker.onPacket = (packet) => {
    if (packet.cmd === "connect") {
      const { topic = "", qos, retain, properties } = (packet as IConnectPacket).will ?? {};
      seen.push({ topic, qos, retain, type: properties?.contentType });
    } else if (packet.cmd === "publish" && packet.topic.endsWith("/status")) {
      const { topic, qos, retain, properties } = packet;
      seen.push({ topic, qos, retain, type: properties?.contentType });
    }
    return false;
  };
  const { manager: node } = await manager(broker.url, { clock: new ManualClock() });
  node.show({ modules: [] });
  t.teardown(() => node.stop());
  await node.connect(never);
  await eventually("will and birth", () => seen.length, { is: 2 });
  const [will, birth] = seen;
  t.deepEqual(will, birth);
  t.is(will?.type, "application/json");
});

/** A node that is connected to a broker, on a clock that the test moves. */
async function connected(t: ExecutionContext) {
  const broker = await new ScriptedBroker(5).listen();
  t.teardown(() => broker.close());
  const clock = new ManualClock();
  const { manager: node, outbox } = await manager(broker.url, { clock });
  node.show({ modules: [] });
  t.teardown(() => node.stop());
  await node.connect(never);
  /** All that the broker has answered so far has come. */
  const answered = async () => {
    node.event({ type: "test", at: 0, facts: {} });
    await eventually("events that wait", () => outbox.length, { is: 0 });
  };
  await answered();
  return { broker, clock, answered };
}

test("the birth is told again: another broker's will of a connection before may come after it", async (t) => {
  const { broker, clock, answered } = await connected(t);
  const births = () => broker.published.filter(({ topic }) => topic.endsWith("/status"));
  for (let n = 1; n <= 3; n++) {
    t.is(births().length, n);
    await clock.advance(300_000);
    await eventually("births", () => births().length, { is: n + 1 });
    await answered();
  }
  for (const { payload, retain } of births()) {
    t.true(retain);
    t.like(JSON.parse(payload.toString()), { status: "online", node: "node-a", boot: 3 });
  }
});
