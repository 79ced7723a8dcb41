import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import test from "ava";
import mqtt from "mqtt";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import type { BlockSource } from "../emulator/source/source.ts";
import { patience } from "../patience.ts";
import { Contract } from "../rig/contract.ts";
import type { Rig, RigOptions } from "../rig/rig.ts";
import { withRig } from "../rig/with-rig.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../../scripts/manager", import.meta.url));
const deadline = () => patience(25_000);

function stream(blocks: number): BlockSource {
  return seedSource({ seed: 42, blocks, blockBits: 4_096, clock: systemClock });
}

/** A rig whose nodes take commands of this key. */
function withManaged(
  { key, ...options }: Partial<RigOptions> & { key?: string },
  body: (rig: Rig) => Promise<void>,
): Promise<void> {
  const extra = key
    ? `\n[[manager.command_key]]\nid = "noc"\npublic_key = "${key}"
commands = ["start", "stop", "set_threshold", "acknowledge_alarm", "zeroize", "self_test", "support_bundle"]\n`
    : "";
  const more = { ...options, extra: `${extra}${options.extra ?? ""}` };
  return withRig({ source: stream(30), blockIntervalMs: 20, ...more }, body);
}

interface Message {
  readonly topic: string;
  readonly retain: boolean;
  readonly json: Record<string, unknown> | undefined;
}

function messages(rig: Rig): Message[] {
  return rig.broker.messages
    .filter(({ topic }) => /^qkdn\/v1\/node-alice\/(?!cmd\/\w+$)/.test(topic))
    .map(({ topic, payload, retain }) => ({
      topic: topic.slice("qkdn/v1/node-alice/".length),
      retain,
      json: payload.length === 0 ? undefined : JSON.parse(payload.toString()),
    }));
}

const last = (rig: Rig, topic: string) => messages(rig).findLast((m) => m.topic === topic);
const events = (rig: Rig) => [...rig.view.node("node-alice").events.values()];

test.serial(
  "an alarm is raised, told, acknowledged and cleared, on retained topic and as events",
  async (t) => {
    const pair = newKeyPair();
    const folder = mkdtempSync(join(tmpdir(), "qkd-manager-"));
    await withManaged({ key: pair.publicKey }, async (rig) => {
      await rig.until("both KMs hold 3 keys", () => rig.holds(3));
      rig.pair.alice.module.event({ code: "laser_fault", severity: "major", text: "hot" });
      const topic = "alarm/module_fault:alice:laser_fault";
      await rig.until("the alarm", () => last(rig, topic)?.json !== undefined);
      const raised = last(rig, topic);
      t.like(raised?.json, {
        severity: "major",
        active: true,
        acknowledged: false,
        probable_cause: "equipmentMalfunction",
        event_type: "equipment",
        object: "alice.laser_fault",
        count: 1,
      });

      const url = `mqtt://127.0.0.1:${rig.broker.port}`;
      const manager = (...args: string[]) =>
        run(script, [...args, "--url", url, "--protocol", "4"], { encoding: "utf8" });
      const listed = await manager("alarms", "--node", "node-alice");
      t.regex(
        listed.stdout,
        /node-alice {2}MAJOR {5}module_fault\.alice\.laser_fault: laser_fault/,
      );

      const file = join(folder, "noc.pem");
      await run(script, ["keygen", join(folder, "other.pem"), "--id", "noc"]);
      const { key } = pair;
      writeFileSync(file, key.export({ type: "pkcs8", format: "pem" }), { mode: 0o600 });
      const send = (pem: string, ...more: string[]) =>
        manager("send", "node-alice", ...more, "--key", pem, "--id", "noc", "--json");
      const forged = await t.throwsAsync(
        send(join(folder, "other.pem"), "stop", "module=alice", "--wait", "3000"),
      );
      const told = forged as { code?: unknown; stdout?: string } | undefined;
      t.is(told?.code, 1, "at once, and not after --wait");
      const refusal = JSON.parse(told?.stdout ?? "{}");
      t.like(refusal, { status: "refused", reason: "bad_signature" });
      t.is(refusal.id, undefined, "a forger gets no result under its id");
      const answer = await send(file, "acknowledge_alarm", "alarm=module_fault.alice.laser_fault");
      t.like(JSON.parse(answer.stdout), { status: "done", command: "acknowledge_alarm" });
      const sent = rig.broker.messages.findLast(({ topic }) =>
        topic.endsWith("/node-alice/cmd/acknowledge_alarm"),
      );
      const [, signed = ""] = String(sent?.payload).split(".");
      const { incarnation } = JSON.parse(Buffer.from(signed, "base64url").toString());
      t.regex(incarnation, /^[0-9a-f]{16}$/);
      t.is(incarnation, last(rig, "status")?.json?.incarnation, "it is for this start alone");

      // Told by the module, acknowledged by a person: it is over, and its retained message goes.
      await rig.until("the alarm is gone", () => last(rig, topic)?.json, { is: undefined });
      const story = messages(rig).filter((m) => m.topic === topic);
      t.is(story.at(-2)?.json?.severity, "cleared");
      t.true(story.every(({ retain }) => retain));
      await rig.until("the event alarm_cleared", () =>
        events(rig).some(({ type }) => type === "alarm_cleared"),
      );
      const changes = events(rig).filter(
        ({ type, facts }) =>
          type.startsWith("alarm_") && facts.alarm === "module_fault.alice.laser_fault",
      );
      t.deepEqual(
        changes.map(({ type }) => type),
        ["alarm_raised", "alarm_cleared"],
      );
      await rig.until("the event of the command", () =>
        events(rig).some(({ type, facts }) => type === "command" && facts.status === "done"),
      );
      await rig.until("the event of the forgery", () =>
        events(rig).some(
          ({ type, facts }) => type === "command_refused" && facts.reason === "bad_signature",
        ),
      );
    });
    rmSync(folder, { recursive: true });
  },
);

test.serial(
  "alarms and events outlive broker and node: none lost, same event_id, in order",
  async (t) => {
    await withManaged({}, async (rig) => {
      await rig.until("both KMs hold 3 keys", () => rig.holds(3));
      await rig.until(
        "the alarm plain_link",
        () => last(rig, "alarm/plain_link:manager") !== undefined,
      );
      await rig.broker.close();
      rig.pair.alice.module.event({ code: "tamper", severity: "critical", text: "" });
      await rig.alice.node.logged(/alarm raised.*tamper\.alice/, deadline());
      const outbox = join(rig.folder, "node-alice", "state", "outbox");
      await rig.until("the outbox has the event", () =>
        readFileSync(outbox).includes('"tamper.alice"'),
      );
      await rig.alice.node.stop("SIGKILL");
      rig.alice.node.start();
      await rig.broker.listen();
      await rig.until("the event of the tampering", () =>
        events(rig).some(({ facts }) => facts.alarm === "tamper.alice"),
      );
      await rig.until(
        "the alarm tamper",
        () => last(rig, "alarm/tamper:alice")?.json !== undefined,
      );
      t.like(last(rig, "alarm/tamper:alice")?.json, { severity: "critical", latched: true });
      const all = messages(rig).flatMap((m) =>
        m.topic === "event" ? [m.json as Record<string, number>] : [],
      );
      const order = all.map(({ boot, sequence }) => (boot ?? 0) * 1e6 + (sequence ?? 0));
      t.deepEqual(
        order,
        [...order].sort((a, b) => a - b),
      );
      const tampers = events(rig).filter(({ facts }) => facts.alarm === "tamper.alice");
      t.is(new Set(tampers.map(({ type }) => type)).size, tampers.length, "told once");
    });
  },
);

test.serial("commands reach the module; a response topic is answered there", async (t) => {
  const { key, publicKey } = newKeyPair();
  const noc = { id: "noc", key };
  await withManaged({ key: publicKey, source: stream(1_000), blockIntervalMs: 50 }, async (rig) => {
    await rig.until("both KMs hold 2 keys", () => rig.holds(2));
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${rig.broker.port}`, {
      protocolVersion: 4,
    });
    const send = async (command: string, args: Record<string, unknown>, more = {}) => {
      const message = signCommand(
        { command, node: "node-alice", args, issued: Date.now(), id: `${command}-1`, ...more },
        noc,
      );
      await client.publishAsync(`qkdn/v1/node-alice/cmd/${command}`, message, { qos: 1 });
      const result = `cmd/${command}/result`;
      await rig.until("the command's result", () => last(rig, result) !== undefined);
      return last(rig, result)?.json;
    };
    t.like(await send("self_test", { module: "alice" }), { status: "done", id: "self_test-1" });
    t.like(await send("zeroize", { module: "alice" }), { status: "refused", reason: "wrong_boot" });
    t.like(await send("support_bundle", {}), { status: "done" });
    const [bundle] = readdirSync(join(rig.folder, "node-alice/state/support"));
    t.regex(bundle ?? "", /^node-alice-\d{8}T\d{6}Z\.tar\.gz$/);
    t.like(await send("set_threshold", { module: "alice", name: "qber_warning", value: 0.001 }), {
      status: "done",
    });
    await rig.until(
      "the alarm is a warning",
      () => last(rig, "alarm/qber_high:alice")?.json?.severity,
      { is: "warning" },
    );
    await rig.alice.node.stop();
    rig.alice.node.start();
    await rig.until("boots", () => last(rig, "status")?.json?.boot, { is: 2 });
    const alarm = () => last(rig, "alarm/qber_high:alice")?.json;
    const goesOn = { severity: "warning", threshold: 0.001, count: 1 };
    await rig.until("the alarm goes on after a restart", alarm, { is: goesOn });
    await client.endAsync(true);
  });
});

test.serial("everything that a run publishes is as the contract says", async (t) => {
  const contract = await Contract.load();
  const { key, publicKey } = newKeyPair();
  await withManaged({ key: publicKey }, async (rig) => {
    await rig.until("both KMs hold 5 keys", () => rig.holds(5));
    const { module } = rig.pair.alice;
    module.event({ code: "detector_fault", severity: "minor", text: "x" });
    module.event({ code: "quantum_channel_lost", severity: "major", text: "x" });
    const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${rig.broker.port}`, {
      protocolVersion: 4,
    });
    const topic = (name: string) => `qkdn/v1/node-alice/cmd/${name}`;
    const draft = { node: "node-alice", issued: Date.now() };
    const commands = {
      self_test: signCommand(
        { ...draft, command: "self_test", args: { module: "alice" } },
        { id: "noc", key },
      ),
      stop: "no signature",
    };
    for (const [name, message] of Object.entries(commands)) {
      await client.publishAsync(topic(name), message, { qos: 1 });
    }
    await rig.until("the result of stop", () => last(rig, "cmd/stop/result") !== undefined);
    await rig.until(
      "the result of self_test",
      () => last(rig, "cmd/self_test/result") !== undefined,
    );
    await rig.alice.km.stop();
    await rig.until("the link to the KM", () => rig.view.node("node-alice").km, { is: "DOWN" });
    await rig.bob.node.stop();
    const ofNodes = contract.published.filter((channel) => !/^(km|controller)_/.test(channel));
    const all = [...ofNodes, "command"].sort();
    const seen = () => [...new Set(rig.broker.messages.map((m) => contract.check(m).channel))];
    const missing = () => all.filter((channel) => !seen().includes(channel));
    await rig.until("channels without a message", missing, { when: ({ length }) => length === 0 });
    await client.endAsync(true);
    for (const message of rig.broker.messages) {
      const { problems } = contract.check(message);
      t.deepEqual(problems, [], `${message.topic}: ${message.payload.toString().slice(0, 500)}`);
    }
    t.deepEqual(seen().sort(), all);
  });
});
