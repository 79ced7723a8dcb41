/** Key managers as processes, and what their manager sees of them, over real brokers. */

import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import test, { type ExecutionContext } from "ava";
import mqtt from "mqtt";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import { Broker } from "../emulator/broker.ts";
import { seedSource } from "../emulator/source/seed.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";
import { DebianBroker } from "../rig/brokers.ts";
import { Canary } from "../rig/canary.ts";
import { Contract } from "../rig/contract.ts";
import { KmWatcher, ManagedPair, managerAt } from "../rig/km-manager.ts";
import { programPath } from "../rig/programs.ts";
import { deadline } from "../rig/with-rig.ts";

const command = programPath("qkd-km");
const run = promisify(execFile);

/** Keys that can be found again wherever they went. */
function canaries(canary: Canary, blocks: number): BlockSource {
  let number = 0;
  return {
    name: "canaries",
    total: blocks,
    next() {
      if (number === blocks) return undefined;
      const bytes = Buffer.concat(Array.from({ length: 32 }, () => canary.key()));
      const facts = {
        ref: { epoch: "0123456789abcdef", number: number++ },
        bits: bytes.length * 8,
        qber: 0.03,
        siftedBits: bytes.length * 15,
        generatedAt: Date.now(),
      };
      return { facts, alice: bytes, bob: Buffer.from(bytes) };
    },
  };
}

/** The last that was told of an alarm is that it was raised, and is over. */
function endsWell(types: readonly unknown[]): boolean {
  return types.at(-2) === "alarm_raised" && types.at(-1) === "alarm_cleared";
}

async function managed(t: ExecutionContext, broker: Broker) {
  const watcher = new KmWatcher();
  broker.on("published", (message) => watcher.take(message));
  await broker.listen();
  t.teardown(() => broker.close());
  const pair = await ManagedPair.make({ url: `mqtt://127.0.0.1:${broker.port}`, protocol: 4 });
  t.teardown(() => pair[Symbol.asyncDispose]());
  await pair.start();
  return { watcher, pair };
}

test.serial("what links, modules and store do is told, and an alarm comes and goes", async (t) => {
  const broker = new Broker(100_000);
  const { watcher, pair } = await managed(t, broker);
  const { alice, bob } = pair.kms;
  const canary = new Canary();
  await pair.feed(8, canaries(canary, 8));
  await eventually("stock is told", () => watcher.last("km-alice", "link/fibre/telemetry"), {
    when: (told) => told?.matched_bits === 8 * 8_192 && told.compared_keys === 8 * 32,
  });
  t.like(watcher.last("km-alice", "status"), { status: "online", km: "km-alice", boot: 1 });
  t.like(watcher.last("km-alice", "inventory"), {
    links: ["fibre"],
    modules: ["m"],
    commands: ["acknowledge_alarm", "compromise", "reload_certificates", "support_bundle"],
    records: true,
  });
  t.like(watcher.last("km-bob", "module/m/state"), { module_id: "QKD-B-0001", link: "fibre" });
  await eventually(
    "the module's keys are told",
    () => watcher.last("km-bob", "module/m/telemetry"),
    {
      when: (told) => told?.received_keys === 8 * 32 && typeof told.last_key_at === "string",
    },
  );
  const figures = watcher.last("km-alice", "telemetry") as { store: { limit_bytes: number } };
  t.true(figures.store.limit_bytes > 0);
  // Each end's mark rises, and is a witness: what the other heard is not above it.
  await eventually("marks are told", () => watcher.last("km-alice", "link/fibre/state"), {
    when: (told) => Number(told?.mark) > 2 && told?.session === "ready",
  });

  await bob.process.stop("SIGKILL");
  const alarm = () => watcher.last("km-alice", "alarm/peer_away:fibre");
  await eventually("it is told that the peer is away", alarm, { is: { severity: "major" } });
  await eventually("the link is down", () => watcher.last("km-alice", "link/fibre/state"), {
    is: { session: "down" },
  });
  await eventually("its will is published", () => watcher.last("km-bob", "status"), {
    is: { status: "offline", reason: "connection lost" },
  });
  const { mark: before } = watcher.last("km-bob", "link/fibre/state") as { mark: number };
  await bob.start(deadline());
  await eventually(
    "it is told that it is over",
    () => watcher.of("km-alice", "alarm/peer_away:fibre"),
    {
      // First as cleared, then the retained message is removed.
      when: (told) =>
        told.at(-2)?.payload?.severity === "cleared" && told.at(-1)?.payload === undefined,
    },
  );
  const types = () =>
    watcher
      .events("km-alice")
      .filter(({ facts }) => (facts as { name?: string }).name === "peer_away")
      .map(({ type }) => type);
  await eventually("both transitions are events", types, { when: endsWell });
  await eventually("the mark went on", () => watcher.last("km-bob", "link/fibre/state"), {
    when: (told) => told?.boot === 2 && Number(told.mark) >= before,
  });
  t.is(await alice.process.stop(), 0);
  t.like(watcher.last("km-alice", "status"), { status: "offline", reason: "stopped" });
  const numbers = [...new Set(watcher.records("km-alice").map(({ number }) => number))];
  t.true(numbers.length > 0);
  t.deepEqual(
    numbers,
    [...numbers.keys()].map((i) => i + 1),
    "every record, in order",
  );
  t.deepEqual(watcher.problems, []);
  t.is(canary.made, 8 * 32);
  for (const { topic, payload } of broker.messages) t.false(canary.isIn(payload), topic);
  const published = Contract.load().published.filter((channel) => channel.startsWith("km_"));
  const expected = published.filter((channel) => channel !== "km_result");
  t.deepEqual([...watcher.channels].sort(), expected.sort());
});

testWhole.serial(
  "a signed command is carried out once; what nobody known has signed is refused",
  async (t) => {
    const broker = new Broker(100_000);
    const { watcher, pair } = await managed(t, broker);
    await pair.feed(4);
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, {
      protocolVersion: 4,
    });
    t.teardown(() => client.endAsync(true));
    const topicOf = (alarm: string) => `alarm/${alarm.replaceAll(".", ":")}`;
    const send = async (name: string, jws: string) => {
      const topic = `cmd/${name}/result`;
      const { length } = watcher.of("km-alice", topic);
      await client.publishAsync(`qkdn/v1/km/km-alice/cmd/${name}`, jws, { qos: 1 });
      const results = () => watcher.of("km-alice", topic);
      const came = await eventually("result", results, { when: (seen) => seen.length > length });
      return came.at(-1)?.payload;
    };
    const from = new Date(Date.now() - 3_600_000).toISOString();
    const asked = pair.sign("km-alice", "compromise", { link: "fibre", from }, { id: "c1" });
    t.like(await send("compromise", asked), {
      ...{ id: "c1", status: "done", km: "km-alice", boot: 1 },
      facts: { matched_keys: 4 * 32, free_bits: 4 * 8_192 },
    });
    t.like(await send("compromise", asked), { reason: "already_executed", earlier: "done" });

    const args = { link: "fibre", from, delete: true };
    t.like(await send("compromise", pair.sign("km-alice", "compromise", args)), {
      status: "refused",
      reason: "wrong_boot",
    });
    // A signature for the other key manager, and for a node of the same ID.
    t.like(await send("compromise", pair.sign("km-bob", "compromise", args, { boot: 1 })), {
      reason: "wrong_km",
    });
    const draft = { command: "compromise", args, boot: 1, issued: Date.now() };
    const forNode = signCommand({ ...draft, node: "km-alice" }, pair.noc);
    t.like(await send("compromise", forNode), { reason: "wrong_km" });
    const stranger = { id: "noc", key: newKeyPair().key };
    const forged = signCommand({ ...draft, km: "km-alice" }, stranger);
    t.like(await send("compromise", forged), { status: "refused", reason: "bad_signature" });
    await eventually(
      "that is an alarm",
      () => watcher.last("km-alice", "alarm/command_refused:manager"),
      {
        is: { severity: "warning", detail: "bad_signature" },
      },
    );
    const id = "command_refused.manager";
    const config = `${pair.kms.alice.state}.toml`;
    const acknowledge = () => run(command, ["alarms", "--ack", id, "--config", config]);
    t.regex((await acknowledge()).stdout, /is acknowledged/);
    await eventually("who saw it is told", () => watcher.last("km-alice", topicOf(id)), {
      is: { acknowledged: true, acknowledged_by: `local uid ${process.getuid?.()}` },
    });
    await t.throwsAsync(acknowledge(), { message: /over, or acknowledged already/ });
    const stock = async () => (await pair.kms.alice.status()).store.stock_bits;
    t.is(await stock(), 4 * 8_192);

    const deleted = pair.sign("km-alice", "compromise", args, { boot: 1, id: "c2" });
    t.like(await send("compromise", deleted), {
      ...{ id: "c2", status: "done" },
      facts: { void_bits: 4 * 8_192, left_keys: 0 },
    });
    await eventually("nothing is left", stock, { is: 0 });
    t.like(
      await send("acknowledge_alarm", pair.sign("km-alice", "acknowledge_alarm", { alarm: "x.y" })),
      {
        status: "failed",
        reason: "unknown_alarm",
      },
    );
    const bundle = pair.sign("km-alice", "support_bundle", {});
    const made = await send("support_bundle", bundle);
    t.is(made?.status, "done");
    const { file = "" } = (made?.facts ?? {}) as { file?: string };
    const members = (await run("tar", ["-tzf", file])).stdout;
    t.true(file.startsWith(`${pair.kms.alice.state}/support/`));
    for (const name of ["status.json", "doctor.json", "records/m.json", "configuration.toml"]) {
      t.true(members.includes(`/${name}`), name);
    }
    const audit = () => watcher.events("km-alice").map(({ type }) => type);
    await eventually("all of it is audited", audit, {
      when: (types) =>
        types.filter((type) => type === "command").length === 4 &&
        types.filter((type) => type === "command_refused").length === 5 &&
        types.includes("keys_given_up"),
    });

    // What was carried out is remembered over a restart.
    await pair.kms.alice.process.stop("SIGKILL");
    await pair.kms.alice.start(deadline());
    await eventually("it is back", () => watcher.last("km-alice", "status"), { is: { boot: 2 } });
    await eventually("it listens", () => watcher.last("km-alice", "inventory"), {
      is: { boot: 2 },
    });
    t.like(await send("compromise", asked), { reason: "already_executed", earlier: "done" });
    t.deepEqual(watcher.problems, []);
  },
);

testWhole.serial(
  "a broker that is away holds nothing up, and gets every event and record later",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-broker-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const broker = await DebianBroker.start("mosquitto", folder);
    t.teardown(() => broker.stop("SIGKILL"));
    const watcher = new KmWatcher();
    const pair = await ManagedPair.make({ url: broker.url, protocol: 5 });
    t.teardown(() => pair[Symbol.asyncDispose]());
    const { alice, bob } = pair.kms;
    let client = await managerAt(broker.url, watcher);
    await pair.start();
    await eventually("it is online", () => watcher.last("km-alice", "status"), {
      is: { status: "online" },
    });
    await broker.stop("SIGKILL");
    await client.endAsync(true);
    await pair.feed(4);
    // While both were starting it may have come and gone.
    await eventually("no alarm is raised", () => alice.status(), {
      when: ({ alarms }) => !alarms.some(({ alarm }) => alarm === "peer_away.fibre"),
    });
    alice.process.lines.length = 0;
    await bob.process.stop("SIGKILL");
    await alice.process.logged(/alarm raised.* alarm=peer_away.fibre/, deadline());
    // One that restarts while the broker is away loses no event either.
    t.is(await alice.process.stop(), 0);
    await pair.start();
    await alice.process.logged(/alarm cleared.* alarm=peer_away.fibre/, deadline());
    const source = seedSource({ seed: 6, blockBits: 8_192, blocks: 4, clock: systemClock });
    await pair.feed(4, source);
    await broker.start();
    client = await managerAt(broker.url, watcher);
    t.teardown(() => client.endAsync(true));
    const names = () =>
      watcher.events("km-alice").flatMap(({ type, facts }) => {
        const { name } = facts as { name?: string };
        return name === "peer_away" ? [type] : [];
      });
    await eventually("both transitions come", names, { when: endsWell });
    const ids = watcher.events("km-alice").map(({ event_id }) => event_id);
    t.is(new Set(ids).size, ids.length, "none twice");
    const keys = () => {
      const parts = watcher.records("km-alice").map(({ number, part = 1 }) => `${number}.${part}`);
      return watcher
        .records("km-alice")
        .filter(({ number, part = 1, kind }, i) => {
          const isFirst = parts.indexOf(`${number}.${part}`) === i;
          return kind === "matched" && isFirst;
        })
        .reduce((sum, record) => sum + ((record as { ids?: string[] }).ids?.length ?? 0), 0);
    };
    await eventually("records of all keys come", keys, { is: 8 * 32 });
    const numbers = [...new Set(watcher.records("km-alice").map(({ number }) => number))];
    t.deepEqual(
      numbers.sort((a, b) => a - b),
      [...numbers.keys()].map((i) => i + 1),
    );
    t.deepEqual(watcher.problems, []);
  },
);
