/** docs/use/commercial-qkd.md, typed by a test, against KMEs that are not ours. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { writeAuthority, writeIdentity } from "../emulator/certificates.ts";
import { KeyManager } from "../emulator/km/index.ts";
import { eventually } from "../eventually.ts";
import { find, testWith } from "../needs.ts";
import { freePort } from "../rig/free-port.ts";
import { KmePair, kmeCertificates } from "../rig/kme-pair.ts";
import { NodeProcess } from "../rig/node-process.ts";
import { programPath } from "../rig/programs.ts";
import { block, recipe } from "../rig/recipe.ts";

const run = promisify(execFile);

testWith(
  "openssl",
  "a commercial QKD system is attached: from certificates to the first key",
  async (t) => {
    if (find("curl") === undefined) return t.log("skipped, because curl is not installed");
    const folder = mkdtempSync(join(tmpdir(), "qkd-attach-"));
    t.teardown(() => rmSync(folder, { recursive: true, force: true }));
    const [a, b] = [join(folder, "a"), join(folder, "b")];
    for (const end of [a, b]) mkdirSync(end);
    const sh = async (at: string, script: string) =>
      (await run("bash", ["-ec", script], { cwd: at })).stdout;

    // The vendor: a CA, and KMEs with certificates of it.
    const vendor = join(folder, "vendor");
    const authority = await kmeCertificates(vendor);
    writeFileSync(join(vendor, "ca.key"), await authority.exportKey(), { mode: 0o600 });
    const pair = await KmePair.start(vendor, { auto: 10 });
    t.teardown(() => pair.close());

    // The KMs, which are there already.
    const kms = new Map<string, KeyManager>();
    const ports = new Map<string, number>();
    for (const [name, at] of [
      ["a", a],
      ["b", b],
    ] as const) {
      const shown = { commonName: `km-${name}`, ip: ["127.0.0.1"], usage: "server" } as const;
      const km = new KeyManager({
        security: { ...(await authority.issue(shown)), ca: authority.cert },
      });
      t.teardown(() => km.close());
      kms.set(name, km);
      ports.set(name, await km.listen());
      const client = {
        commonName: `node-${name}`,
        dns: [`node-${name}`],
        usage: "client",
      } as const;
      await writeIdentity(at, "node", await authority.issue(client));
      await writeAuthority(at, "km-ca", authority);
    }

    const link = await freePort();
    const places = {
      "https://kme-a.example:8443": pair.url("a"),
      "node-b.example": "127.0.0.1",
      "9700": String(link),
      "qkd-node config": `${programPath("qkd-node")} config`,
    };
    const page = recipe("commercial-qkd", places);
    for (const [at, sae, place] of [
      [a, "sae-a", "a csr"],
      [b, "sae-b", "b csr"],
    ] as const) {
      await sh(at, block(page, "sh", place));
      // What the vendor does with the request, and sends back.
      const sign = `openssl x509 -req -days 30 -in ${sae}.csr -copy_extensions copy -CA ${vendor}/ca.crt \
      -CAkey ${vendor}/ca.key -CAcreateserial -out ${sae}.crt`;
      await sh(at, `${sign} && cp ${vendor}/ca.crt kme-ca.crt`);
    }
    t.like(JSON.parse(await sh(a, block(page, "sh", "a status"))), { stored_key_count: 10 });
    await sh(a, block(page, "sh", "a link"));
    for (const file of ["link-ca.crt", "link-b.crt", "link-b.key"])
      cpSync(join(a, file), join(b, file));
    await sh(a, block(page, "sh", "a spool"));
    await sh(b, block(page, "sh", "a spool").replaceAll("-a.key", "-b.key"));

    const own = (text: string, name: string, at: string) =>
      text
        .replaceAll("/etc/qkd-node/", `${at}/`)
        .replaceAll('"/var/lib/qkd-node"', JSON.stringify(join(at, "state")))
        .replaceAll(`"km-${name}.example"`, '"127.0.0.1"')
        .replaceAll("9443", String(ports.get(name)))
        .concat("\n[web]\nport = 0\n");
    const toml = block(page, "toml", "node-a.toml");
    writeFileSync(join(folder, "page.toml"), toml);
    writeFileSync(join(folder, "b.sed"), block(page, "sed", "b"));
    const forB = await sh(folder, "sed -f b.sed page.toml");
    writeFileSync(join(a, "node-a.toml"), own(toml, "a", a), { mode: 0o600 });
    const textB = own(forB, "b", b).replace(/url = .*/, `url = ${JSON.stringify(pair.url("b"))}`);
    writeFileSync(join(b, "node-b.toml"), textB, { mode: 0o600 });
    t.regex(await sh(a, block(page, "sh", "a check")), /./);

    const nodes = (["a", "b"] as const).map((name) => {
      const at = name === "a" ? a : b;
      const node = new NodeProcess(join(at, `node-${name}.toml`), join(at, "log"));
      t.teardown(() => node.stop());
      node.start();
      return node;
    });
    const about = () => nodes.flatMap(({ lines }) => lines.slice(-8)).join("\n");
    const keys = () => Math.min(...[...kms.values()].map(({ store }) => store.size));
    await eventually("keys at both KMs", keys, { atLeast: 10, about });
    const certs = await sh(a, `${programPath("qkd-node")} certs --config node-a.toml`);
    for (const name of ["kme", "peer"]) t.true(certs.includes(`module.qkd.${name}`), certs);
  },
);
