/** The node as a Sparkplug edge node at a broker that does what a test says. */

import test from "ava";
import { silentLog } from "../../../../src/base/log.ts";
import type { ModuleState } from "../../../../src/node/model/manager.ts";
import {
  type PublisherOptions,
  SparkplugPublisher,
} from "../../../../src/node/sparkplug/publisher.ts";
import type { AlarmRecord } from "../../../../src/ops/alarms/alarm.ts";
import { ManualClock } from "../../../clock.ts";
import { eventually } from "../../../eventually.ts";
import { moduleView, never, noCredentials } from "../../../rig/manager-bench.ts";
import { puback, ScriptedBroker } from "../../../rig/scripted-broker.ts";
import { rebirthCommand, SparkplugHost } from "../../../rig/sparkplug-host.ts";

interface Bench {
  readonly broker: ScriptedBroker;
  readonly host: SparkplugHost;
  readonly clock: ManualClock;
  readonly publisher: SparkplugPublisher;
  readonly alarms: AlarmRecord[];
  readonly state: { now: ModuleState };
  /** Kinds of packets in the order in which they came. */
  readonly packets: string[];
  /** The last will. */
  will(): { topic: string; payload: Buffer; qos: number; retain: boolean } | undefined;
  command(payload: Buffer): void;
}

const up: ModuleState = { module: "OPERATING", link: "ACTIVE", km: "UP", reason: "", since: 0 };
const down: ModuleState = { ...up, module: "DOWN", link: "OFF", reason: "unplugged" };
const commands = "spBv1.0/qkd/NCMD/node-a";

async function withBench(
  body: (bench: Bench) => Promise<void>,
  version: 4 | 5 = 5,
  more: Partial<PublisherOptions> = {},
): Promise<void> {
  const broker = await new ScriptedBroker(version).listen();
  const host = new SparkplugHost();
  const clock = new ManualClock();
  const alarms: AlarmRecord[] = [];
  const state = { now: up };
  const packets: string[] = [];
  let will: ReturnType<Bench["will"]>;
  let command: Bench["command"] = () => {};
  broker.onPacket = (packet, client) => {
    packets.push(packet.cmd);
    if (packet.cmd === "connect") {
      const { topic, payload, qos, retain } = packet.will as unknown as NonNullable<typeof will>;
      will = { topic, payload: Buffer.from(payload), qos, retain };
      command = (bytes) =>
        client.send({
          ...{ cmd: "publish", topic: commands, payload: bytes, qos: 1, messageId: 9 },
          ...{ retain: false, dup: false },
        });
    }
    if (packet.cmd === "publish") {
      const { topic, qos, retain } = packet;
      host.take({ topic, payload: Buffer.from(packet.payload as Buffer), qos, retain });
    }
    return false;
  };
  const publisher = new SparkplugPublisher({
    url: broker.url,
    protocol: version,
    username: undefined,
    credentials: () => noCredentials,
    group: "qkd",
    edge: "node-a",
    facts: { node: "node-a", boot: 3, version: "1.2.3" },
    configurationDigest: "0123456789abcdef",
    clock,
    log: silentLog,
    ...more,
  });
  publisher.show([{ ...moduleView, state: () => state.now }], {
    records: () => alarms,
    record: (id) => alarms.find((alarm) => alarm.id === id),
    forget: () => {},
  });
  try {
    await body({
      ...{ broker, host, clock, publisher, alarms, state, packets, will: () => will },
      command: (payload) => command(payload),
    });
  } finally {
    publisher.stop();
    await broker.close();
  }
}

const figure = (last: number) => ({ last, count: 1, age_ms: 0, quality: "good" }) as const;
const record = (more: Partial<AlarmRecord>) =>
  ({ id: "x", name: "qber_high", object: "alice", severity: "critical", ...more }) as AlarmRecord;

for (const version of [5, 4] as const) {
  test(`a life of an edge node, MQTT ${version === 5 ? "5" : "3.1.1"}`, async (t) => {
    const body = async (bench: Bench) => {
      const { publisher, host, will, packets, state, alarms } = bench;
      publisher.report("alice", { qber: figure(0.03) }, { supplied: 7, refused: { busy: 1 } });
      const session = await publisher.connect(never);
      await eventually("messages at the host", () => host.types.length, { is: 2 });
      t.deepEqual(host.types, ["NBIRTH", "DBIRTH alice"]);
      const order = packets.filter((cmd) => cmd === "subscribe" || cmd === "publish");
      t.is(order[0], "subscribe", "commands are listened to before the birth");
      t.like(will(), { topic: "spBv1.0/qkd/NDEATH/node-a", qos: 1, retain: false });
      t.is(SparkplugHost.deathOf(will()?.payload as Buffer), host.bdSeq);
      t.is(host.metrics.get("/Properties/version")?.value, "1.2.3");
      t.like(host.metrics.get("alice/Telemetry/qber"), { value: 0.03, unit: "1" });
      t.is(Number(host.metrics.get("alice/Supply/refused")?.value), 1);
      t.is(host.metrics.get("alice/Alarms/qber_high")?.value, "cleared");

      publisher.report("alice", { qber: figure(0.04) }, { supplied: 8, refused: { busy: 1 } });
      await eventually("QBER", () => host.metrics.get("alice/Telemetry/qber")?.value, { is: 0.04 });
      t.is(Number(host.metrics.get("alice/Supply/supplied")?.value), 8);
      publisher.report(
        "alice",
        { detector_counts: { ...figure(0), last: [5, 6], quality: "stale" } },
        { supplied: 8, refused: {} },
      );
      await eventually(
        "the second detector's counts",
        () => host.metrics.get("alice/Telemetry/detector_counts/1") !== undefined,
      );
      t.like(host.metrics.get("alice/Telemetry/detector_counts/1"), { value: 6, quality: 500 });
      t.is(host.metrics.get("alice/Telemetry/qber")?.value, 0.04, "what came before stays");

      alarms.push(record({}), record({ id: "y", name: "plain_link", object: "manager" }));
      publisher.changed();
      await eventually("the node's alarm", () => host.metrics.get("/Alarms/plain_link")?.value, {
        is: "critical",
      });
      await eventually(
        "the module's alarm",
        () => host.metrics.get("alice/Alarms/qber_high")?.value,
        { is: "critical" },
      );
      t.is(host.metrics.get("/Alarms/qber_high")?.value, "cleared", "that one is the module's");

      state.now = down;
      publisher.changed();
      await eventually("the host's last message", () => host.types.at(-1), { is: "DDEATH alice" });
      t.false(host.online.has("alice"));
      state.now = up;
      publisher.changed();
      await eventually("the host's last message", () => host.types.at(-1), { is: "DBIRTH alice" });

      await session.close();
      await eventually("the host's last message", () => host.types.at(-1), { is: "NDEATH" });
      t.is(host.online.size, 0, "the goodbye has the bdSeq of the birth");
      t.deepEqual(host.problems, []);
    };
    await withBench(body, version);
  });
}

test("a rebirth tells everything anew, under the same bdSeq; a flood of requests does not", async (t) => {
  await withBench(async ({ publisher, host, clock, command }) => {
    publisher.report("alice", { qber: figure(0.03) }, { supplied: 7 });
    const session = await publisher.connect(never);
    await eventually("messages at the host", () => host.types.length, { is: 2 });
    await clock.advance(2_000);
    const before = new Map(host.metrics);
    const { bdSeq } = host;
    command(rebirthCommand(false));
    command(rebirthCommand());
    await eventually("messages at the host", () => host.types.length, { is: 4 });
    t.deepEqual(host.types.slice(2), ["NBIRTH", "DBIRTH alice"]);
    t.deepEqual([...host.metrics.keys()], [...before.keys()]);
    t.is(host.bdSeq, bdSeq);
    for (let i = 0; i < 500; i++) command(rebirthCommand());
    await eventually("timers", () => clock.timers, { atLeast: 1 });
    await clock.advance(500);
    t.is(host.types.length, 4);
    await clock.advance(600);
    await eventually("messages at the host", () => host.types.length, { is: 6 });
    t.deepEqual(host.problems, []);
    await session.close();
  });
});

test("each connection has the next bdSeq, and a birth that tells everything", async (t) => {
  await withBench(async ({ broker, publisher, host, will }) => {
    for (let connection = 0; connection < 4; connection++) {
      const session = await publisher.connect(never);
      await eventually("messages at the host", () => host.types.length, {
        is: 2 * (connection + 1),
      });
      t.is(host.bdSeq, connection);
      t.is(SparkplugHost.deathOf(will()?.payload as Buffer), connection);
      broker.drop();
      await session.ended;
      publisher.report("alice", { qber: figure(connection) }, { supplied: connection });
    }
    t.deepEqual(host.problems, []);
  });
});

test("a broker that reads nothing is not flooded; once it reads again a birth makes it whole", async (t) => {
  await withBench(async ({ broker, publisher, host, state }) => {
    const session = await publisher.connect(never);
    await eventually("messages at the host", () => host.types.length, { is: 2 });
    broker.pause();
    const reason = () => host.metrics.get("alice/State/reason")?.value;
    // More than the sockets of both sides take.
    for (let n = 1; n <= 1_500; n++) {
      state.now = { ...up, reason: `${n} ${"x".repeat(15_000)}` };
      publisher.changed();
      await new Promise((resolve) => setImmediate(resolve));
    }
    broker.resume();
    state.now = { ...up, reason: "over" };
    await eventually("why it ended", () => {
      publisher.changed();
      return reason() === "over";
    });
    t.true(host.types.length < 1_500, `${host.types.length} messages`);
    t.true(host.types.filter((type) => type === "NBIRTH").length > 1);
    t.deepEqual(host.problems.slice(0, 3), []);
    await session.close();
  });
});

test("a broker that refuses the node's death is left the will", async (t) => {
  await withBench(async ({ broker, packets, publisher }) => {
    const session = await publisher.connect(never);
    await eventually("births", () => broker.published.length, { atLeast: 2 });
    const { onPacket } = broker;
    let isClosed = false;
    broker.onPacket = (packet, client) => {
      onPacket(packet, client);
      if (packet.cmd !== "publish" || !packet.topic.includes("/NDEATH/")) return false;
      client.socket.once("close", () => {
        isClosed = true;
      });
      client.send(puback(packet.messageId, 0x97));
      return true;
    };
    await session.close();
    t.true(broker.published.at(-1)?.topic.includes("/NDEATH/"));
    await eventually("the connection is over at the broker", () => isClosed);
    t.false(packets.includes("disconnect"));
  });
});
