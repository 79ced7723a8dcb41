/**
 * Programs whose state folder is put back from an older copy: a command that was carried out after the copy is not
 * carried out again, and nothing that is told then passes for a repeat.
 */
import { cpSync, lstatSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import mqtt from "mqtt";
import { newKeyPair, type SigningKey, signCommand } from "../../scripts/manager.d/sign.ts";
import { Broker } from "../emulator/broker.ts";
import { eventually } from "../eventually.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { KmPair } from "../rig/km-pair.ts";
import { NodeProcess } from "../rig/node-process.ts";
import { deadline } from "../rig/with-rig.ts";

/** How late a manager's clock may be when a program has just begun, and how late the one here is, ms. */
const [allowedMs, lateMs] = [5_000, 3_000];

type Json = Readonly<Record<string, unknown>>;

interface Restored {
  /** Whom commands name. */
  readonly whom:
    | { readonly node: string }
    | { readonly km: string }
    | { readonly controller: string };
  /** Of its topics, behind the base. */
  readonly root: string;
  readonly state: string;
  readonly process: NodeProcess;
  /** Commands with their arguments; `boot` for what cannot be undone. */
  readonly commands: readonly {
    readonly name: string;
    readonly args: Json;
    readonly boot?: number;
  }[];
}

interface Place {
  readonly folder: string;
  readonly broker: Broker;
  readonly noc: SigningKey;
  /** `[manager]`, TOML. @param commands that the key may give */
  readonly manager: (...commands: string[]) => string;
}

async function place(t: ExecutionContext): Promise<Place> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-restored-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const broker = new Broker();
  await broker.listen();
  t.teardown(() => broker.close());
  const { key, publicKey } = newKeyPair();
  const manager = (...commands: string[]) => `[manager]
url = "mqtt://127.0.0.1:${broker.port}"
protocol = 4
[[manager.command_key]]
id = "noc"
public_key = "${publicKey}"
commands = ${JSON.stringify(commands)}
`;
  return { folder, broker, noc: { id: "noc", key }, manager };
}

/** Sockets cannot be copied, and are no state. */
const copied = (from: string) => lstatSync(from).isFile() || lstatSync(from).isDirectory();

async function isRestored(t: ExecutionContext, at: Place, program: Restored): Promise<void> {
  const { broker, noc } = at;
  const { whom, root, state, process, commands } = program;
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${broker.port}`, { protocolVersion: 4 });
  t.teardown(() => client.endAsync(true));
  t.teardown(() => process.stop("SIGKILL"));
  const told = (topic: string) =>
    broker.messages.flatMap((message): Json[] =>
      message.topic === `qkdn/v1/${root}/${topic}` ? [JSON.parse(message.payload.toString())] : [],
    );
  const start = async (boot: number) => {
    const starts = told("inventory").length;
    process.start();
    await process.logged(/msg="broker connected"/, deadline());
    await eventually("it takes commands", () => told("inventory").slice(starts), {
      when: (all) => all.some((one) => one.boot === boot),
    });
    return told("status").at(-1)?.incarnation;
  };
  const stop = async () => {
    await process.stop();
    process.lines.length = 0;
  };
  const send = async (name: string, jws: string) => {
    const topic = `cmd/${name}/result`;
    const before = told(topic).length;
    await client.publishAsync(`qkdn/v1/${root}/cmd/${name}`, jws, { qos: 1 });
    const all = await eventually(`result of ${name}`, () => told(topic), {
      when: ({ length }) => length > before,
    });
    return all.at(-1);
  };
  let counter = 0;
  const sign = ({ name, args, boot }: Restored["commands"][number]) => {
    const issued = Date.now() - lateMs;
    const draft = { ...whom, command: name, args, issued, lifeMs: 86_400_000 };
    const counted = { ...draft, counter: ++counter };
    return signCommand({ ...counted, ...(boot !== undefined && { boot }) }, noc);
  };
  const isExecuted = ({ status }: Json = {}) => status === "done" || status === "failed";

  await start(1);
  await stop();
  cpSync(state, `${state}.copy`, { recursive: true, filter: copied });

  const lived = await start(2);
  const signed = commands.map((command) => [command, sign(command)] as const);
  for (const [{ name }, jws] of signed) t.true(isExecuted(await send(name, jws)), name);
  await stop();
  const until = Date.now() + allowedMs - lateMs;
  await eventually("a clock that is as late as it may be is past them", () => Date.now(), {
    when: (now) => now > until,
  });
  rmSync(state, { recursive: true });
  cpSync(`${state}.copy`, state, { recursive: true });

  const eventsBefore = told("event").map(({ event_id }) => event_id);
  const again = await start(2);
  t.is(typeof lived, "string");
  t.not(again, lived, "a birth tells this start from the one of the same number");
  for (const [{ name }, jws] of signed) {
    t.like(await send(name, jws), { status: "refused", reason: "issued_before_start" }, name);
  }
  for (const command of commands) t.true(isExecuted(await send(command.name, sign(command))));
  const eventsNow = () => told("event").slice(eventsBefore.length);
  await eventually("refusals are told", eventsNow, {
    when: (all) => all.filter(({ type }) => type === "command_refused").length === commands.length,
  });
  const repeated = eventsNow().filter(
    ({ boot, event_id }) => boot === 2 && eventsBefore.includes(event_id),
  );
  t.deepEqual(repeated, [], "no event passes for one of before");
  await stop();
}

test("a node", async (t) => {
  const at = await place(t);
  const { folder } = at;
  const config = `${folder}/node.toml`;
  const state = `${folder}/state`;
  writeFileSync(
    config,
    `node = { id = "node-a", state_dir = "${state}" }
km.none = { host = "127.0.0.1", port = 9, transport = "plain" }
local.socket = "${folder}/control"
web.enabled = false
module = [{ name = "alice", km = "none", driver = { kind = "qmlp-socket", address = "unix:${folder}/none" } }]
${at.manager("reload_certificates", "clear_tamper")}`,
    { mode: 0o600 },
  );
  const process = new NodeProcess(config, `${folder}/log`);
  const commands = [
    { name: "reload_certificates", args: {} },
    { name: "clear_tamper", args: {}, boot: 2 },
  ];
  await isRestored(t, at, { whom: { node: "node-a" }, root: "node-a", state, process, commands });
});

test("a key manager", async (t) => {
  const at = await place(t);
  const pair = await KmPair.make({
    ...{ folder: at.folder, modules: ["QKD-A-0001", "QKD-B-0001"] },
    tables: () => at.manager("acknowledge_alarm", "reload_certificates"),
  });
  const { state, process } = pair.alice;
  await isRestored(t, at, {
    ...{ whom: { km: "km-alice" }, root: "km/km-alice", state, process },
    commands: [
      { name: "reload_certificates", args: {} },
      { name: "acknowledge_alarm", args: { alarm: "x.y" }, boot: 2 },
    ],
  });
});

test("a controller", async (t) => {
  const at = await place(t);
  const { state, process } = await ControllerProcess.make({
    folder: at.folder,
    tables: `${at.manager("set_service")}
[node.km-a]
[node.km-b]
[link.ab]
between = ["km-a", "km-b"]
`,
  });
  const args = { component: "km-a--km-b", service: "out_of_service" };
  await isRestored(t, at, {
    ...{ whom: { controller: "controller" }, root: "controller/controller", state, process },
    commands: [{ name: "set_service", args }],
  });
});
