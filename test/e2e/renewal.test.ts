/** All three programs, with certificates that are due, and a server of EST that is not ours. */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { systemClock } from "../../src/base/clock.ts";
import { readCertificates } from "../../src/host/tls/pem.ts";
import { createAuthority, loadAuthority, writeIdentity } from "../emulator/certificates.ts";
import { testWith } from "../needs.ts";
import { startEstServer } from "../rig/est-server.ts";
import { freePort } from "../rig/free-port.ts";
import { NodeProcess } from "../rig/node-process.ts";
import { programPath } from "../rig/programs.ts";
import { deadline } from "../rig/with-rig.ts";

const day = 86_400_000;
const daysAgo = (days: number) => ({ ...systemClock, wall: () => Date.now() - days * day });

testWith(
  "python3",
  "node, key manager and controller renew the certificate that a person brought, and show it",
  async (t, python) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-renewal-"));
    t.teardown(() => rm(folder, { recursive: true, force: true }));
    const root = await createAuthority("Site CA", daysAgo(100));
    const then = await loadAuthority(root.cert, await root.exportKey(), daysAgo(25));
    const est = await startEstServer(python, join(folder, "est"), root);
    t.teardown(() => est.stop());
    await writeFile(join(folder, "ca.crt"), root.cert);
    await writeFile(join(folder, "master"), Buffer.alloc(32, 7), { mode: 0o600 });
    const first = join(folder, "first");
    await mkdir(first);
    const port = await freePort();
    const identity = (of: string) =>
      `ca = "ca.crt"\ncert = "${folder}/${of}/tls/${of}.crt"\nkey = "first/${of}.key"\n`;
    const table = `[est]\nurl = "${est.url}"\nca = "ca.crt"\nfirst = "${first}"\n`;
    const start = async (of: "node" | "km" | "controller", text: string) => {
      const name = `${of}.example`;
      const own = await then.issue({ commonName: name, dns: [name], usage: "both", days: 30 });
      await writeIdentity(first, of, own);
      const config = join(folder, `${of}.toml`);
      await writeFile(config, `${text}\n${table}`, { mode: 0o600 });
      const log = join(folder, `${of}.log`);
      const process = new NodeProcess(config, log, undefined, programPath(`qkd-${of}`));
      t.teardown(() => process.stop("SIGKILL"));
      process.start();
      await process.logged(/msg="certificate renewed"/, deadline());
      const path = join(folder, of, "tls", `${of}.crt`);
      const [renewed] = readCertificates(await readFile(path));
      t.is(renewed?.subject, `CN=${name}`);
      t.true((renewed?.validToDate.getTime() ?? 0) > Date.now() + 60 * day, of);
      t.is(await readFile(join(first, `${of}.crt`), "utf8"), own.cert, "what was brought stays");
      return { process, fingerprint: renewed?.fingerprint256 };
    };
    const state = (of: string) => `state_dir = "${folder}/${of}"`;
    const web = `[web]\nenabled = false\n`;
    const node = await start(
      "node",
      `[node]\nid = "a"\n${state("node")}\n${web}[km.main]\nhost = "localhost"\nport = 1\n${identity("node")}
[[module]]\nname = "m"\nkm = "main"\n[module.driver]\nkind = "qmlp"\npath = "/dev/none"\n`,
    );
    await node.process.stop();
    const km = await start(
      "km",
      `[km]\nid = "km-a"\n${state("km")}\n[store]\nmaster_key_file = "master"\n
[kx]\nport = 0\nhost = "localhost"\n${identity("km")}`,
    );
    await km.process.stop();
    const controller = await start(
      "controller",
      `[controller]\nid = "c"\n${state("controller")}\n[ck]\nhost = "127.0.0.1"\nport = ${port}\n${identity("controller")}`,
    );
    await controller.process.logged(/msg="certificates changed" for=ck/, deadline());
    const client = await root.issue({
      commonName: "km-a",
      dns: ["km-a"],
      usage: "both",
      days: 390,
    });
    const servername = "controller.example";
    const socket = connect({ host: "127.0.0.1", port, ca: root.cert, ...client, servername });
    t.teardown(() => socket.destroy());
    const shown = await new Promise((resolve, reject) => {
      socket.once("error", reject);
      socket.once("secureConnect", () => resolve(socket.getPeerCertificate().fingerprint256));
    });
    t.is(shown, controller.fingerprint, "connections show the new one");
    await controller.process.stop();
  },
);
