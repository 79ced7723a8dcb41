/** The broker that the node talks to, by certificates that change while it is connected. */

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createServer, type TLSSocket } from "node:tls";
import { Aedes } from "aedes";
import test, { type ExecutionContext } from "ava";
import { driverKinds } from "../../../../drivers/index.ts";
import { silentLog } from "../../../../src/base/log.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { thisMachine } from "../../../../src/host/machine.ts";
import { parseConfig } from "../../../../src/node/config/load.ts";
import { openStateDirectory } from "../../../../src/node/state/state-directory.ts";
import { Monitoring } from "../../../../src/node/wiring/monitoring.ts";
import { type Authority, createAuthority, type Identity } from "../../../emulator/certificates.ts";
import { eventually } from "../../../eventually.ts";

interface Bench {
  readonly monitoring: Monitoring;
  /** Connections that the broker has: one of MQTT, one of Sparkplug B. */
  readonly connections: ReadonlySet<TLSSocket>;
  /** What the broker has of the node's `status` now. */
  readonly status: () => unknown;
  write(file: "ca" | "crl" | "key", text: string): void;
}

/** A node's part towards its manager, and a broker with this certificate. */
async function bench(
  t: ExecutionContext,
  ca: Authority,
  identity: Identity,
  crl: string,
  more = "",
): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), "qkd-broker-"));
  const aedes = new Aedes();
  await aedes.listen();
  let status: unknown;
  aedes.on("publish", ({ topic, payload }) => {
    if (topic === "qkdn/v1/node/status") status = JSON.parse(payload.toString()).status;
  });
  const connections = new Set<TLSSocket>();
  const options = { ...identity, ecdhCurve: "X25519MLKEM768:X25519" };
  const server = createServer(options, (socket) => {
    connections.add(socket);
    socket.once("close", () => connections.delete(socket));
    aedes.handle(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const write = (file: string, text: string) => writeFileSync(join(folder, file), text);
  write("ca", ca.cert);
  write("crl", crl);
  const own = await ca.issue({ commonName: "node", usage: "client" });
  write("cert", own.cert);
  write("key", own.key);
  const text = `[node]\nid = "node"\nstate_dir = "${folder}/state"
[manager]\nurl = "mqtts://127.0.0.1:${port}"\nprotocol = 4\nca = "ca"\ncrl = "crl"\ncert = "cert"\nkey = "key"\n${more}
[manager.sparkplug]\ngroup = "g"
[km.main]\nhost = "127.0.0.1"\nport = 1\ntransport = "plain"
[[module]]\nname = "alice"\nkm = "main"\n[module.driver]\nkind = "qmlp"\npath = "/dev/none"\n`;
  const config = parseConfig(text, join(folder, "node.toml"), driverKinds);
  const home = await openStateDirectory(diskFiles, config.node.state_dir, []);
  const parts = { ...thisMachine, state: home.state, random: () => 0, log: silentLog };
  const monitoring = await Monitoring.open(config, parts);
  monitoring.start([], new Map());
  t.teardown(async () => {
    await monitoring.stop();
    home.release();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of connections) socket.destroy();
    });
    await new Promise<void>((resolve) => aedes.close(resolve));
    rmSync(folder, { recursive: true });
  });
  return { monitoring, connections, status: () => status, write };
}

const asBroker = { commonName: "broker", ip: ["127.0.0.1"], usage: "server" } as const;

for (const what of ["is revoked", "is of a CA that is trusted no more"]) {
  test(`a broker that ${what} is left by both connections`, async (t) => {
    const [ca, other] = await Promise.all([createAuthority("CA"), createAuthority("other")]);
    const identity = await ca.issue(asBroker);
    const old = await ca.revoke([], { days: -2 });
    const { monitoring, connections, status, write } = await bench(t, ca, identity, old);
    await eventually(
      "both connections are up",
      () => monitoring.broker?.up === true && connections.size === 2,
    );
    t.is(monitoring.broker?.key_exchange, "X25519MLKEM768");
    await eventually("status", status, { is: "online" });
    if (what === "is revoked") write("crl", await ca.revoke([identity.cert]));
    else write("ca", other.cert);
    t.is(monitoring.renewed(), undefined);
    await eventually(
      "both connections are gone",
      () => connections.size === 0 && monitoring.broker?.up === false,
    );
    const why = /CERT_REVOKED|UNABLE_TO_VERIFY_LEAF_SIGNATURE/;
    await eventually("why it is gone", () => why.test(monitoring.broker?.reason ?? ""));
    await eventually("status", status, { is: "offline" });
  });
}

test("a broker that is revoked while the node's own key cannot be read is left, and told why", async (t) => {
  const ca = await createAuthority("CA");
  const identity = await ca.issue(asBroker);
  const { monitoring, connections, write } = await bench(t, ca, identity, await ca.revoke([]));
  const isUp = (want: boolean) => () =>
    monitoring.broker?.up === want && connections.size === (want ? 2 : 0);
  await eventually("both connections are up", isUp(true));
  write("key", "-----BEGIN PRIVATE KEY-----\n");
  t.regex(monitoring.renewed()?.message ?? "", /private key/);
  t.is(connections.size, 2);
  write("crl", await ca.revoke([identity.cert]));
  t.regex(monitoring.renewed()?.message ?? "", /private key/);
  await eventually("both connections are gone", isUp(false));
  await eventually("why", () => monitoring.broker?.reason, { matches: /CERT_REVOKED/ });
  // The key of before is shown: the broker is back once its certificate is good.
  write("crl", await ca.revoke([]));
  await eventually("both connections are up again", isUp(true));
});

test("a broker whose certificate has a CN and no subject alternative name is refused", async (t) => {
  const ca = await createAuthority("CA");
  const identity = await ca.issue({ commonName: "127.0.0.1", usage: "server" });
  const { monitoring } = await bench(t, ca, identity, await ca.revoke([]));
  await eventually("reason", () => monitoring.broker?.reason, { matches: /ALTNAME_INVALID/ });
  t.pass();
});

test("where lists must be fresh, one that has run out keeps the broker away", async (t) => {
  const ca = await createAuthority("CA");
  const identity = await ca.issue(asBroker);
  const old = await ca.revoke([], { days: -2 });
  const { monitoring } = await bench(t, ca, identity, old, "crl_fresh = true\n");
  await eventually("reason", () => monitoring.broker?.reason, { matches: /CRL_HAS_EXPIRED/ });
  t.pass();
});
