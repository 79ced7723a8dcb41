/** Sparkplug B from a whole node, through Mosquitto, to a host that decodes with Eclipse Tahu's library. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWith } from "../needs.ts";
import { DebianBroker } from "../rig/brokers.ts";
import { Rig } from "../rig/rig.ts";
import { rebirthCommand, SparkplugHost } from "../rig/sparkplug-host.ts";

testWith("mosquitto", "a SCADA host sees the node, its module and its death", async (t) => {
  t.timeout(120_000);
  const folder = mkdtempSync(join(tmpdir(), "qkd-sparkplug-"));
  const broker = await DebianBroker.start("mosquitto", folder);
  t.teardown(async () => {
    await broker.stop();
    rmSync(folder, { recursive: true });
  });
  const client = await mqtt.connectAsync(broker.url, { protocolVersion: 5 });
  t.teardown(() => client.endAsync(true));
  const host = new SparkplugHost();
  client.on("message", (topic, payload, { qos, retain }) =>
    host.take({ topic, payload, qos, retain }),
  );
  await client.subscribeAsync("spBv1.0/qkd/+/node-alice/#", { qos: 1 });
  const rig = await Rig.start({
    source: seedSource({ seed: 5, blocks: 2_000, blockBits: 1_024, clock: systemClock }),
    baud: 0,
    blockIntervalMs: 50,
    broker: { url: broker.url, protocol: 5 },
    extra: '\n[manager.sparkplug]\ngroup = "qkd"\n',
  });
  const value = (key: string) => host.metrics.get(key)?.value;
  try {
    await rig.until("QBER at the host", () => value("alice/Telemetry/qber") !== undefined);
    await rig.until("keys confirmed at the host", () => Number(value("alice/Supply/confirmed")), {
      atLeast: 6,
    });
    for (const [key, is] of [
      ["/Properties/node", "node-alice"],
      ["alice/State/module", "OPERATING"],
      ["/Alarms/plain_link", "warning"],
    ] as const) {
      await rig.until(key, () => value(key), { is });
    }
    t.is(host.bdSeq, 0);

    const births = () => host.types.filter((type) => type === "NBIRTH").length;
    const before = births();
    await client.publishAsync("spBv1.0/qkd/NCMD/node-alice", rebirthCommand());
    await rig.until("one birth more", () => births() === before + 1 && host.online.has("alice"));

    rig.pair.alice.unplug();
    await rig.until("the module's death", () => host.types.includes("DDEATH alice"));
    rig.pair.alice.plug();
    await rig.until("the module's birth", () => host.online.has("alice"));

    await rig.alice.node.stop("SIGKILL");
    await rig.until("the host's last message", () => host.types.at(-1), { is: "NDEATH" });
    // The broker sent the will, with the bdSeq of the birth.
    await rig.until("nobody is online", () => host.online.size, { is: 0 });
    rig.alice.node.start();
    await rig.until("the module's birth", () => host.online.has("alice"));
    await rig.alice.node.stop();
    await rig.until("the host's last message", () => host.types.at(-1), { is: "NDEATH" });
    await rig.until("nobody is online", () => host.online.size, { is: 0 });
    t.deepEqual(host.problems, []);
  } finally {
    await rig.close();
  }
});
