/**
 * A controller at a real broker: what it tells is what the contract says, a signed command is carried out once, and what
 * a node tells its manager reaches the controller's network.
 */
import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import { writeIdentity } from "../emulator/certificates.ts";
import { PairEnd } from "../emulator/end.ts";
import { eventually } from "../eventually.ts";
import { testWith } from "../needs.ts";
import { Patience } from "../patience.ts";
import { DebianBroker } from "../rig/brokers.ts";
import { Contract } from "../rig/contract.ts";
import { ControllerProcess } from "../rig/controller-process.ts";
import { ControllerWatcher } from "../rig/controller-watcher.ts";
import { freePort } from "../rig/free-port.ts";
import { NodeProcess } from "../rig/node-process.ts";
import { deadline } from "../rig/with-rig.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("../../scripts/manager", import.meta.url));
const q = JSON.stringify;

/** All that a controller needs of a broker, as its README says: of nodes it reads, and no more. */
const acl = `topic write qkdn/v1/controller/controller/#
topic read qkdn/v1/controller/controller/cmd/+
topic read qkdn/v1/+/status
topic read qkdn/v1/+/alarm/+
`;

/** A node with a module whose QBER is far too high; its KM is not there. */
async function noisyNode(folder: string, broker: string, { authority }: ControllerProcess) {
  const end = new PairEnd({
    ...{ role: "alice", transport: "serial", baud: 0, seed: 1, maxBlocks: undefined },
    ...{ folder, clock: systemClock, telemetry: () => ({ values: { qber: 0.2 } }) },
  });
  end.plug();
  const own = await authority.issue({ commonName: "node-a", dns: ["node-a"], usage: "client" });
  const files = await writeIdentity(folder, "node-a", own);
  const config = `${folder}/node-a.toml`;
  await writeFile(
    config,
    `[node]
id = "node-a"
state_dir = ${q(`${folder}/node-a`)}
[manager]
url = ${q(broker)}
[km.main]
host = "127.0.0.1"
port = ${await freePort()}
server_name = "km-a"
ca = "ca.crt"
cert = ${q(files.cert)}
key = ${q(files.key)}
[[module]]
name = "to-b"
km = "main"
[module.driver]
kind = "qmlp"
path = ${q(`${folder}/alice.tty`)}
`,
    { mode: 0o600 },
  );
  return { end, node: new NodeProcess(config, `${folder}/node-a.log`) };
}

/** From a node's alarm to the change of routes, ms. */
const rerouteMs = 2_000;

testWith(
  "mosquitto",
  "a controller tells its manager what the contract says, takes signed commands, and hears nodes",
  async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-controller-manager-"));
    t.teardown(() => rm(folder, { recursive: true }));
    const user = { name: "controller", password: "of the controller" };
    const broker = await DebianBroker.start("mosquitto", join(folder, "broker"), { user, acl });
    t.teardown(() => broker.stop("SIGKILL"));
    const { key, publicKey } = newKeyPair();
    const controller = await ControllerProcess.make({
      folder,
      tables: `[manager]
url = "${broker.url}"
username = "${user.name}"
password_file = "password"
telemetry_interval_s = 0.2
[[manager.command_key]]
id = "noc"
public_key = "${publicKey}"
commands = ["set_service", "acknowledge_alarm"]
[alarms]
km_away_s = 1
[routing]
settle_s = 0
[node.km-a]
controllers = ["node-a"]
[node.km-b]
[node.km-c]
[link.ab]
between = ["km-a", "km-b"]
modules = ["to-b"]
[link.bc]
between = ["km-b", "km-c"]
[pair.ac]
between = ["km-a", "km-c"]
`,
    });
    await writeFile(`${folder}/password`, `${user.password}\n`, { mode: 0o600 });
    await using watcher = await ControllerWatcher.at(broker.url, "controller");
    t.teardown(() => controller.process.stop("SIGKILL"));
    await controller.start(deadline());
    const kms = [await controller.km("km-a"), await controller.km("km-b")];
    t.teardown(() => Promise.all(kms.map((km) => km.stop())));
    const [a, b] = kms;
    for (const km of kms) {
      await eventually(`${km.name} is connected`, () => km.end.sessions.length, { is: 1 });
    }
    await a?.tell("km-b");
    await b?.tell("km-a");
    await b?.tell("km-c");

    await eventually("it is online", () => watcher.last("status"), {
      is: { status: "online", controller: "controller", boot: 1 },
    });
    t.like(watcher.last("inventory"), { mode: "centralized" });
    await eventually("the network", () => watcher.last("network"), {
      is: { role: "active", nodes: 3, nodes_attached: 2, links: 2, links_bad: 0 },
    });
    const ab = () => watcher.last("link/km-a--km-b/state");
    await eventually("a link", ab, { is: { a: "km-a", b: "km-b", state: "good", reason: "" } });
    await eventually("figures", () => watcher.last("telemetry"), { is: { boot: 1 } });
    await eventually("an alarm", () => watcher.last("alarm/km_away:km-c"), {
      is: { severity: "major", active: true, acknowledged: false },
    });

    // A command is carried out once; what is for others, or not signed by a known key, is not.
    const args = { component: "km-b--km-c", service: "out_of_service" };
    const draft = { command: "set_service", args, issued: Date.now() };
    const noc = { id: "noc", key };
    const order = signCommand({ ...draft, controller: "controller", id: "c1" }, noc);
    const bc = () => watcher.last("link/km-b--km-c/state");
    t.like(await watcher.send("set_service", order), { id: "c1", status: "done", boot: 1 });
    await eventually("it is told", bc, { is: { service: "out_of_service", state: "bad" } });
    t.like(await watcher.send("set_service", order), {
      reason: "already_executed",
      earlier: "done",
    });
    const elsewhere = signCommand({ ...draft, km: "controller" }, noc);
    t.like(await watcher.send("set_service", elsewhere), { reason: "wrong_controller" });
    const forged = signCommand(
      { ...draft, controller: "controller" },
      { ...noc, key: newKeyPair().key },
    );
    t.like(await watcher.send("set_service", forged), { reason: "bad_signature" });
    const withdraw = { command: "withdraw", args: { kind: "km", id: "km-b" }, issued: Date.now() };
    const beyond = signCommand({ ...withdraw, controller: "controller" }, noc);
    t.like(await watcher.send("withdraw", beyond), { reason: "not_permitted" });
    const { changes } = await controller.status();
    t.is(changes.filter(({ kind }) => kind === "service").length, 1);

    // The same by the script for people.
    await writeFile(`${folder}/noc.pem`, key.export({ type: "pkcs8", format: "pem" }), {
      mode: 0o600,
    });
    const manager = async (...words: string[]) =>
      (await run(script, [...words, "--url", broker.url])).stdout;
    const signed = ["--key", `${folder}/noc.pem`, "--id", "noc"];
    const back = ["component=km-b--km-c", "service=in_service"];
    const sent = await manager(
      "send",
      "--controller",
      "controller",
      "set_service",
      ...back,
      ...signed,
    );
    t.regex(sent, /^controller {2}set_service: done/);
    await eventually("it is back", bc, { is: { service: "in_service" } });
    t.regex(
      await manager("alarms", "--controller", "controller"),
      /^controller {2}MAJOR +km_away\.km-c/m,
    );

    // A node tells its manager that the QBER is too high: the controller reads along.
    const { end, node } = await noisyNode(folder, broker.url, controller);
    t.teardown(() => {
      end.unplug();
      end.module.close();
    });
    t.teardown(() => node.stop("SIGKILL"));
    const counted = new Patience();
    const begun = performance.now();
    node.start();
    const now = () => {
      counted.gone();
      return ab();
    };
    await eventually("the link is bad", now, { is: { state: "bad", reason: "alarm qber_high" } });
    // As a busy machine counts time.
    const share = counted.gone() / (performance.now() - begun);
    const { nodes, links, changes: since } = await controller.status();
    const raised = links.flatMap(({ alarms }) => alarms.filter(({ by }) => by === "mqtt"));
    const reroute = since.find(({ kind, object }) => kind === "reroute" && object === "km-a--km-c");
    const took = Date.parse(reroute?.time ?? "") - Date.parse(raised[0]?.since ?? "");
    t.log(`${took} ms from the node's alarm over MQTT to the change of routes`);
    t.true(took >= 0 && took * share <= rerouteMs, `${took} ms`);
    const place = nodes.find(({ km }) => km === "km-a");
    t.like(place?.controllers[0], { node: "node-a", online: true });
    const told = { name: "qber_high", severity: "critical", by: "mqtt" };
    t.like(
      links
        .find(({ link }) => link === "km-a--km-b")
        ?.alarms.find(({ name }) => name === told.name),
      told,
    );
    const events = () => watcher.of("event").map(({ payload }) => payload as { type: string });
    await eventually("it is an event", events, {
      when: (all) =>
        all.some((one) => {
          const { facts } = one as unknown as { facts: { kind?: string; text?: string } };
          return facts.kind === "link" && facts.text?.includes("qber_high") === true;
        }),
    });
    await node.stop();
    await eventually(
      "the node is offline",
      async () => {
        const seen = (await controller.status()).nodes.find(({ km }) => km === "km-a");
        return seen?.controllers[0]?.online;
      },
      { is: false },
    );

    t.is(await controller.process.stop(), 0);
    await eventually("it said goodbye", () => watcher.last("status"), {
      is: { status: "offline", reason: "stopped" },
    });
    t.deepEqual(watcher.problems, []);
    const published = Contract.load().published.filter((one) => one.startsWith("controller_"));
    const came = [...watcher.channels].filter((one) => one !== "controller_command");
    t.deepEqual(came.sort(), [...published].sort());
  },
);
