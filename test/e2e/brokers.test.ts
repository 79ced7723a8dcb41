import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import mqtt from "mqtt";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWith } from "../needs.ts";
import { DebianBroker } from "../rig/brokers.ts";
import { Rig } from "../rig/rig.ts";
import { each } from "../whole-run.ts";

for (const [name, protocol] of each([
  ["mosquitto", 5],
  ["mosquitto", 4],
  ["nats-server", 4],
] as const)) {
  testWith(
    name,
    `a manager sees both nodes through ${name}, MQTT ${protocol === 5 ? "5" : "3.1.1"}`,
    async (t) => {
      const folder = mkdtempSync(join(tmpdir(), "qkd-mosquitto-"));
      const broker = await DebianBroker.start(name, folder);
      t.teardown(async () => {
        await broker.stop();
        rmSync(folder, { recursive: true });
      });
      const { url } = broker;
      const seen = new Map<string, Record<string, unknown>>();
      const client = await mqtt.connectAsync(url, { protocolVersion: protocol });
      t.teardown(() => client.endAsync(true));
      client.on("message", (topic, payload) => {
        // A retained message that is removed is empty.
        seen.set(topic, payload.length === 0 ? {} : JSON.parse(payload.toString()));
      });
      await client.subscribeAsync("qkdn/v1/#", { qos: 1 });
      const source = seedSource({ seed: 5, blocks: 20, blockBits: 1_024, clock: systemClock });
      const rig = await Rig.start({ source, baud: 0, broker: { url, protocol } });
      const of = (topic: string) => seen.get(`qkdn/v1/node-alice/${topic}`);
      try {
        await rig.until("keys confirmed", () => of("kq1/alice")?.confirmed, { is: 20 });
        await rig.until("status", () => of("status"), { is: { status: "online", boot: 1 } });
        await rig.until("the module's state", () => of("module/alice/state"), {
          is: { module: "OPERATING", link: "ACTIVE", km: "UP" },
        });
        await rig.until("its telemetry", () => of("module/alice/telemetry"), {
          matches: /"qber":\{"last":0\.0/,
        });
        await rig.alice.node.stop("SIGKILL");
        await rig.until("reason", () => of("status")?.reason, { is: "connection lost" });
        await rig.bob.node.stop();
        await rig.until("reason", () => seen.get("qkdn/v1/node-bob/status")?.reason, {
          is: "stopped",
        });
        // Retained: whoever comes later sees the same.
        const late = await mqtt.connectAsync(url, { protocolVersion: protocol });
        const retained = new Set<string>();
        late.on("message", (topic, _, packet) => packet.retain && retained.add(topic));
        await late.subscribeAsync("qkdn/v1/#", { qos: 1 });
        const alarm = (node: string) => `qkdn/v1/${node}/alarm/plain_link:manager`;
        await rig.until("the alarm is retained", () => retained.has(alarm("node-alice")));
        await rig.until("the alarm is retained", () => retained.has(alarm("node-bob")));
        const others = () => [...retained].filter((topic) => !topic.includes("/alarm/"));
        await rig.until("other retained topics", () => others().length, { is: 6 });
        t.true(retained.has("qkdn/v1/node-bob/inventory"));
        await late.endAsync(true);
      } finally {
        await rig.close();
      }
    },
  );
}
