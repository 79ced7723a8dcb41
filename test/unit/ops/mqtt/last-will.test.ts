/** What a broker is to say of a program that is lost is published as the program itself would. */
import test from "ava";
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
