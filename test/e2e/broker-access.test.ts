/** Who may talk to the broker, and which broker the node talks to, against Mosquitto. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import mqtt from "mqtt";
import { newKeyPair, signCommand } from "../../scripts/manager.d/sign.ts";
import { systemClock } from "../../src/base/clock.ts";
import type { Fault } from "../../src/base/errors.ts";
import { type BrokerFiles, readBrokerCredentials } from "../../src/ops/mqtt/credentials.ts";
import {
  type Authority,
  createAuthority,
  writeAuthority,
  writeIdentity,
} from "../emulator/certificates.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { testWith } from "../needs.ts";
import { type Access, DebianBroker } from "../rig/brokers.ts";
import { manager, never } from "../rig/manager-bench.ts";
import { Rig } from "../rig/rig.ts";

interface Bench {
  readonly folder: string;
  readonly authority: Authority;
  readonly broker: DebianBroker;
  /** The authority's certificate. */
  readonly ca: string;
}

async function withBroker(
  access: Access,
  body: (bench: Bench) => Promise<void>,
  name = "127.0.0.1",
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-access-"));
  const authority = await createAuthority("broker CA");
  const identity = await authority.issue({ commonName: "broker", ip: [name], usage: "server" });
  const files = await writeIdentity(folder, "broker", identity);
  const ca = await writeAuthority(folder, "ca", authority);
  const tls = { ca, cert: files.cert, key: files.key };
  const broker = await DebianBroker.start("mosquitto", folder, { tls, ...access });
  try {
    await body({ folder, authority, broker, ca });
  } finally {
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
}

function client(authority: Authority, commonName: string) {
  return authority.issue({ commonName, dns: [commonName], usage: "client", days: 90 });
}

/** What becomes of an attempt to connect with these files. */
async function attempt({ broker }: Bench, files: BrokerFiles, username?: string): Promise<string> {
  const { manager: node } = await manager(broker.url, {
    username,
    credentials: () => readBrokerCredentials(files),
  });
  try {
    const session = await node.connect(never);
    await session.close();
    return "connected";
  } catch (error) {
    return `${(error as Fault).code}: ${(error as Error).message}`;
  }
}

testWith("mosquitto", "TLS with a client certificate: with it, and not without", async (t) => {
  await withBroker({ clientCertificates: true }, async (bench) => {
    const { folder, authority, ca, broker } = bench;
    const good = await writeIdentity(folder, "node", await client(authority, "node-a"));
    t.is(await attempt(bench, { ca, ...good }), "connected");
    t.regex(broker.log, /as node-a .*u'node-a'/, "the certificate names the client");

    t.regex(await attempt(bench, { ca }), /^mqtt.connect: cannot connect to the broker/);
    const stranger = await createAuthority("another CA");
    const other = await writeIdentity(folder, "other", await client(stranger, "node-a"));
    t.regex(await attempt(bench, { ca, ...other }), /^mqtt.connect: cannot connect to the broker/);
    const mixed = { ca, cert: good.cert, key: other.key };
    t.regex(await attempt(bench, mixed), /certificate and key do not belong together/);
    const gone = { ca, cert: join(folder, "gone.crt"), key: good.key };
    t.regex(await attempt(bench, gone), /file for the broker cannot be read/);
    const wrongCa = await writeAuthority(folder, "wrong", stranger);
    t.regex(await attempt(bench, { ca: wrongCa, ...good }), /cannot connect to the broker/);
    t.is(await attempt(bench, { ca, ...good }), "connected", "the broker was there all the time");
  });
});

testWith("mosquitto", "a broker whose certificate names another host gets nothing", async (t) => {
  const access = { clientCertificates: true };
  const body = async (bench: Bench) => {
    const { folder, authority, ca } = bench;
    const good = await writeIdentity(folder, "node", await client(authority, "node-a"));
    t.regex(await attempt(bench, { ca, ...good }), /ERR_TLS_CERT_ALTNAME_INVALID/);
  };
  await withBroker(access, body, "192.0.2.1");
});

testWith("mosquitto", "user and password over TLS: with the right ones only", async (t) => {
  const user = { name: "node-a", password: "correct horse" };
  await withBroker({ user }, async (bench) => {
    const { folder, ca } = bench;
    const file = (name: string, text: string) => {
      const path = join(folder, name);
      writeFileSync(path, text, { mode: 0o600 });
      return path;
    };
    const right = { ca, password_file: file("right", `${user.password}\n`) };
    const wrong = { ca, password_file: file("wrong", "battery staple\n") };
    t.is(await attempt(bench, right, user.name), "connected");
    const refused = /^mqtt.connect: cannot connect to the broker: (not authorized|wrong user)/;
    t.regex(await attempt(bench, wrong, user.name), refused);
    t.regex(await attempt(bench, right, "node-b"), refused);
    t.regex(await attempt(bench, { ca }), refused);
    const secrets = [user.password, "battery staple"];
    for (const secret of secrets) t.false((await attempt(bench, wrong)).includes(secret));
  });
});

async function reload(t: ExecutionContext): Promise<void> {
  const { key, publicKey } = newKeyPair();
  await withBroker({ clientCertificates: true }, async ({ folder, authority, broker, ca }) => {
    const files = await writeIdentity(folder, "node", await client(authority, "first"));
    const noc = await writeIdentity(folder, "noc", await client(authority, "noc"));
    const q = JSON.stringify;
    const access = `ca = ${q(ca)}\ncert = ${q(files.cert)}\nkey = ${q(files.key)}\n`;
    const extra = `\n[[manager.command_key]]\nid = "noc"\npublic_key = "${publicKey}"
commands = ["reload_certificates", "support_bundle"]\n`;
    const results: Record<string, unknown>[] = [];
    let inventory: Record<string, unknown> = {};
    const { cert, key: tlsKey } = readBrokerCredentials(noc);
    const watcher = await mqtt.connectAsync(broker.url, {
      protocolVersion: 5,
      ca: authority.cert,
      cert: cert as string,
      key: tlsKey as string,
    });
    t.teardown(() => watcher.endAsync(true));
    watcher.on("message", (topic, payload) => {
      if (topic.endsWith("/result")) results.push(JSON.parse(payload.toString()));
      else if (payload.length > 0) inventory = JSON.parse(payload.toString());
    });
    await watcher.subscribeAsync(
      ["qkdn/v1/node-alice/cmd/+/result", "qkdn/v1/node-alice/inventory"],
      { qos: 1 },
    );
    const source = seedSource({ seed: 5, blocks: 5, blockBits: 1_024, clock: systemClock });
    const rig = await Rig.start({
      source,
      baud: 0,
      broker: { url: broker.url, protocol: 5, access },
      extra,
    });
    const send = (command: string) =>
      watcher.publishAsync(
        `qkdn/v1/node-alice/cmd/${command}`,
        signCommand({ command, node: "node-alice", issued: Date.now() }, { id: "noc", key }),
        { qos: 1 },
      );
    try {
      await rig.until("the inventory lists commands", () => Array.isArray(inventory.commands));
      t.true((inventory.commands as string[]).includes("reload_certificates"));
      t.true(/as node-alice .*u'first'/.test(broker.log));
      await writeIdentity(folder, "node", await client(authority, "second"));
      await send("reload_certificates");
      await rig.until("results", () => results.length, { is: 1 });
      t.like(results[0], { command: "reload_certificates", status: "done" });
      await rig.until("the node comes as its second user", () => broker.log, {
        matches: /as node-alice .*u'second'/,
      });

      writeFileSync(files.key, "half of a key", { mode: 0o600 });
      await send("reload_certificates");
      await rig.until("results", () => results.length, { is: 2 });
      t.like(results[1], { status: "failed" });
      t.regex(String(results[1]?.reason), /cannot be read.*manager/);
    } finally {
      await rig.close();
    }
  });
}

testWith("mosquitto", "a renewed certificate is shown to the broker upon command", (t) => {
  t.timeout(120_000);
  return reload(t);
});
