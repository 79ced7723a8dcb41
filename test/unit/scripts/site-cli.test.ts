/** `scripts/site` from the requests on two machines' sticks to what the machines run with, as somebody types it. */
import { execFile, execFileSync } from "node:child_process";
import { X509Certificate } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { ExecutionContext } from "ava";
import { readers } from "../../../src/bin/drivers.ts";
import { loadControllerConfig } from "../../../src/controller/config/load.ts";
import { loadKmConfig } from "../../../src/km/config/load.ts";
import { testWholeWith, testWith } from "../../needs.ts";

const tool = fileURLToPath(new URL("../../../scripts/site.d/main.ts", import.meta.url));

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

function site(...args: string[]): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(process.execPath, [tool, ...args], (error, out, err) => {
      resolve({ code: Number(error?.code ?? 0), out, err });
    });
  });
}

/** A stick that a machine was asked with, and the keys that it kept. */
function machine(folder: string, openssl: string, hex: string) {
  const stick = join(folder, `stick-${hex}`);
  mkdirSync(stick);
  const key = (id: string) => join(folder, `${id}.key`);
  for (const id of [`qkd-${hex}`, `km-${hex}`, `controller-${hex}`]) {
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    const to = ["-keyout", key(id), "-out", join(stick, `${id}.csr`)];
    const names = ["-subj", `/CN=${id}`, "-addext", `subjectAltName=DNS:${id}`];
    execFileSync(openssl, ["req", ...ec, ...names, ...to], { stdio: "pipe" });
  }
  return { stick, key, id: `qkd-${hex}`, km: `km-${hex}`, controller: `controller-${hex}` };
}

function box(t: ExecutionContext): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-site-cli-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

testWith(
  "openssl",
  "two machines get what they run with, by a handful of lines",
  async (t, openssl) => {
    const folder = box(t);
    const ca = join(folder, "ca");
    t.is((await site("ca", ca)).code, 0);
    t.is(statSync(join(ca, "ca.key")).mode & 0o777, 0o600);
    const again = await site("ca", ca);
    t.is(again.code, 1, "one that is in use stays");
    const [a, b] = [
      machine(folder, openssl, "0123456789ab"),
      machine(folder, openssl, "ba9876543210"),
    ];
    const peers = [
      [a, b, "QKD-A-0001", "QKD-B-0001", "app-a", "app-b"],
      [b, a, "QKD-B-0001", "QKD-A-0001", "app-b", "app-a"],
    ] as const;
    const dialling: boolean[] = [];
    for (const [own, other, module, matching, sae, peerSae] of peers) {
      const certified = await site("certify", own.stick, "--ca", ca, "--name", "192.0.2.1");
      t.is(certified.code, 0, certified.err);
      const drafted = await site(
        ...["draft", own.stick, "--module", module, "--matching", matching, "--path", "/dev/qkd/1"],
        ...["--peer", `${other.id}@192.0.2.2`, "--sae", sae, "--peer-sae", peerSae],
        ...["--controller", `controller-0123456789ab@192.0.2.1`],
        ...(own === b ? ["--est", "https://ra.example/.well-known/est"] : []),
      );
      t.is(drafted.code, 0, drafted.err);
      const read = (name: string) => readFileSync(join(own.stick, "site", name), "utf8");
      const authority = new X509Certificate(read("site-ca.crt"));
      for (const [name, id] of [
        ["node.crt", own.id],
        ["km.crt", own.km],
        ["controller.crt", own.controller],
      ] as const) {
        const certificate = new X509Certificate(read(name));
        t.true(certificate.verify(authority.publicKey), name);
        t.is(certificate.checkHost(id), id);
        t.is(certificate.checkIP("192.0.2.1"), name === "node.crt" ? undefined : "192.0.2.1");
      }
      // The machine has keys where this one has files.
      const here = (text: string, id: string, name: string) =>
        text.replaceAll(`/run/credentials/qkd-${name}.service/${name}.key`, own.key(id));
      // One of them renews its certificates: until its first start they are beside the configuration.
      if (own === b) writeFileSync(join(own.stick, "site/est-ca.crt"), read("site-ca.crt"));
      const master = join(folder, "master");
      writeFileSync(master, Buffer.alloc(32, 7), { mode: 0o600 });
      const km = here(read("km.toml"), own.km, "km")
        .replace("/run/credentials/qkd-km.service/km-master.key", master)
        .replaceAll("/var/lib/qkd-km", join(folder, own.km));
      writeFileSync(join(own.stick, "site/km-here.toml"), km);
      const loaded = loadKmConfig(join(own.stick, "site/km-here.toml"));
      t.is(loaded.km.id, own.km);
      t.is(loaded.est?.first, own === b ? join(own.stick, "site") : undefined);
      const [link] = loaded.links;
      dialling.push(link?.host !== undefined);
      t.is(loaded.kx?.port === undefined, link?.host !== undefined);
      // The controller is on one of the machines, and its key manager finds it without a network.
      t.like(loaded.controllers[0], {
        host: own === a ? "localhost" : "192.0.2.1",
        serverName: a.controller,
      });
      t.is(existsSync(join(own.stick, "site/controller.toml")), own === a);
      if (own === a) {
        const text = here(read("controller.toml"), own.controller, "controller");
        writeFileSync(join(own.stick, "site/here.toml"), text);
        const controller = loadControllerConfig(join(own.stick, "site/here.toml"));
        t.is(controller.controller.id, own.controller);
        t.like(loaded.controllers[0], { port: controller.ck.port });
        t.deepEqual(controller.kms.map(({ km }) => km).toSorted(), [a.km, b.km]);
        rmSync(join(own.stick, "site/here.toml"));
      }
      const node = here(read("node.toml"), own.id, "node").replaceAll(
        "/var/lib/qkd-node",
        join(folder, own.id),
      );
      writeFileSync(join(own.stick, "site/node-here.toml"), node);
      t.is(readers.configure(join(own.stick, "site/node-here.toml")).node.id, own.id);
      rmSync(join(own.stick, "site/km-here.toml"));
      rmSync(join(own.stick, "site/node-here.toml"));
    }
    t.deepEqual(dialling.toSorted(), [false, true], "exactly one end dials");

    // What somebody changed stays, and is what is signed.
    const changed = join(a.stick, "site/km.toml");
    writeFileSync(changed, "# ours\n");
    const kept = await site(
      ...["draft", a.stick, "--module", "x", "--matching", "y", "--path", "/dev/x"],
      ...["--peer", `${b.id}@192.0.2.2`],
    );
    t.regex(kept.out, /km\.toml: was there/);
    t.is(readFileSync(changed, "utf8"), "# ours\n");
    await site("keygen", join(folder, "ops"));
    const signed = await site(
      ...["sign", join(a.stick, "site"), "--node", a.id, "--key", join(folder, "ops.key")],
    );
    t.regex(
      signed.out,
      /controller\.crt, controller\.toml, km\.crt, km\.toml, node\.crt, node\.toml, site-ca\.crt/,
    );
  },
);

testWholeWith("openssl", "a request that is none, or another's, is refused", async (t, openssl) => {
  const folder = box(t);
  const ca = join(folder, "ca");
  await site("ca", ca);
  const { stick } = machine(folder, openssl, "0123456789ab");
  const refused = async (...args: string[]) => {
    const { code, err, out } = await site("certify", ...args);
    t.is(code, 1, out);
    return err;
  };
  t.regex(await refused(folder, "--ca", ca), /there is no request/);
  t.regex(await refused(stick, "--ca", folder), /ENOENT/);
  const renamed = join(stick, "qkd-00000000ffff.csr");
  writeFileSync(renamed, readFileSync(join(stick, "qkd-0123456789ab.csr")));
  t.regex(await refused(stick, "--ca", ca), /is the request of qkd-0123456789ab/);
  rmSync(renamed);
  // One byte of what is signed.
  const csr = join(stick, "km-0123456789ab.csr");
  const [head, body = "", ...rest] = readFileSync(csr, "utf8").split("\n");
  const spoilt = body.replace(
    /^(.{30})(.)/,
    (_, before, one) => before + (one === "A" ? "B" : "A"),
  );
  writeFileSync(csr, [head, spoilt, ...rest].join("\n"));
  t.regex(await refused(stick, "--ca", ca), /not signed by the key that it is for/);
  t.is((await site("certify", stick)).code, 64);
  t.is((await site("certify", stick, "--ca", ca, "--name", "a b")).code, 64);
  t.false(existsSync(join(stick, "site/km.crt")));
});

testWholeWith(
  "openssl",
  "a broker's request gets its certificate beside it",
  async (t, openssl) => {
    const folder = box(t);
    const ca = join(folder, "ca");
    await site("ca", ca);
    const csr = join(folder, "broker.csr");
    const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-noenc"];
    const to = ["-keyout", join(folder, "broker.key"), "-out", csr];
    execFileSync(openssl, ["req", ...ec, "-subj", "/CN=broker.example", ...to], { stdio: "pipe" });
    const { code, err } = await site("certify", csr, "--ca", ca, "--name", "192.0.2.9");
    t.is(code, 0, err);
    const certificate = new X509Certificate(readFileSync(join(folder, "broker.crt")));
    t.is(certificate.checkHost("broker.example"), "broker.example");
    t.is(certificate.checkIP("192.0.2.9"), "192.0.2.9");
  },
);
