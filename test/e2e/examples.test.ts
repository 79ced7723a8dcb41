import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { testWith } from "../needs.ts";
import { patience } from "../patience.ts";
import { qkdNode } from "../rig/cli.ts";
import { withNode } from "../rig/one-node.ts";

const examples = fileURLToPath(new URL("../../docs/examples/", import.meta.url));
const certificates = fileURLToPath(new URL("../../scripts/certificates", import.meta.url));

for (const name of readdirSync(examples).filter((file) => file.endsWith(".toml"))) {
  test(`${name} is a good configuration`, async (t) => {
    const folder = mkdtempSync(join(tmpdir(), "qkd-example-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    cpSync(join(examples, name), join(folder, name));
    const names = ["--km", "km", "--node", "node-a", "--node", "node-b"];
    const made = spawnSync(certificates, [join(folder, "certs"), ...names], { encoding: "utf8" });
    t.is(made.status, 0, made.stderr);
    writeFileSync(join(folder, "certs", "page-password"), "a long password\n", { mode: 0o600 });
    const { code, out, err } = await qkdNode(["check-config", join(folder, name)]);
    t.is(code, 0, err);
    t.regex(out, /: good /);
  });
}

testWith("python3", "the KM in 40 lines of Python takes every key of a node", async (t, python) => {
  await withNode({ transport: "tls", mode: "proactive", keyBits: 256 }, async (bench) => {
    const { folder, node, ca, km, distil, until } = bench;
    await node.logged(/KM connected/, patience(30_000));
    const [, port = ""] = /\[km\.main\][^[]*?port = (\d+)/.exec(
      readFileSync(join(folder, "node.toml"), "utf8"),
    ) ?? [undefined, ""];
    await km.close();
    const { cert, key } = await ca.issue({ commonName: "km", dns: ["km"], usage: "server" });
    writeFileSync(join(folder, "example.crt"), cert);
    writeFileSync(join(folder, "example.key"), key, { mode: 0o600 });
    const child = spawn(python, [join(examples, "km.py"), port, folder, "example"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    try {
      let said = "";
      child.stdout.setEncoding("utf8").on("data", (text: string) => {
        said += text;
      });
      distil(5);
      await until("twenty keys are told", () => said.trim().split("\n").length, { is: 20 });
      t.regex(said, /^[0-9a-f-]{36} 256 bit, 1 keys\n/);
      await until("blocks that the module holds", () => bench.end.module.heldBlocks, { is: 0 });
    } finally {
      child.kill();
    }
  });
});

testWith("curl", "an application asks for keys with curl alone", async (t, curl) => {
  await withNode({ transport: "https", mode: "on_request", keyBits: 256 }, async (bench) => {
    const { folder, serverPort, distil, until } = bench;
    distil(2);
    const file = (name: string) => join(folder, name);
    const ask = (number: number) =>
      spawnSync(
        join(examples, "ask.sh"),
        [
          `https://node:${serverPort}`,
          "QKD-B-0001",
          ...["ca.crt", "km.crt", "km.key"].map(file),
          String(number),
        ],
        {
          encoding: "utf8",
          env: { ...process.env, CURL_HOME: folder, PATH: `${join(curl, "..")}:/usr/bin:/bin` },
        },
      );
    writeFileSync(file(".curlrc"), `resolve = "node:${serverPort}:127.0.0.1"\n`);
    await until(
      "the node has eight keys",
      () => /"stored_key_count":8/.test(ask(1).stderr) || ask(1).status === 0,
    );
    const { status, stdout, stderr } = ask(3);
    t.is(status, 0, stderr);
    t.is(JSON.parse(stdout).keys.length, 3);
  });
});
