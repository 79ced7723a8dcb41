/** docs/use/openssl.md, typed by a test. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { eventually } from "../eventually.ts";
import { find, testWith } from "../needs.ts";
import { freePort } from "../rig/free-port.ts";
import { block, recipe } from "../rig/recipe.ts";
import { twoApplications } from "../rig/two-applications.ts";

const helper = fileURLToPath(new URL("../../docs/use/psk-session.py", import.meta.url));

testWith(
  "openssl",
  "OpenSSL speaks TLS with a key from both KMs, and not with another",
  async (t) => {
    if (find("curl") === undefined || find("python3") === undefined) {
      return t.log("skipped, because curl or python3 is not installed");
    }
    const { kms, folder, type } = await twoApplications(t);
    const { alice, bob } = kms;
    copyFileSync(helper, join(folder, "psk-session.py"));
    const port = await freePort();
    const places = {
      "vpn-a": "app-a",
      "vpn-b": "app-b",
      "https://km-a.example:9445": alice.url,
      "https://km-b.example:9445": bob.url,
      "gw-b.example": "127.0.0.1",
      "4433": String(port),
    };
    const asked = block(recipe("openssl", places), "sh", "a");
    writeFileSync(join(folder, "session-a.pem"), "of others", { mode: 0o644 });
    const id = await type(asked);
    t.regex(id, /^[0-9a-f-]{36}\n$/);
    const page = recipe("openssl", { ...places, "KEY-ID": id.trim() });
    t.is(await type(block(page, "sh", "b")), id);
    t.is(statSync(join(folder, "session-a.pem")).mode & 0o777, 0o600);

    const begin = (script: string): [ChildProcess, () => string] => {
      const child = spawn("sh", ["-c", `exec ${script}`], { cwd: folder });
      t.teardown(() => child.kill());
      let said = "";
      for (const stream of [child.stdout, child.stderr]) {
        stream.on("data", (text: Buffer) => {
          said += text.toString();
        });
      }
      return [child, () => said];
    };
    const [, served] = begin(block(page, "sh", "serve"));
    await eventually("it serves", served, { matches: /ACCEPT/ });
    const [client, heard] = begin(block(page, "sh", "connect"));
    client.stdin?.write("quantum\n");
    await eventually("the line comes back", heard, { matches: /mutnauq/ });
    t.regex(heard(), /Cipher is TLS_AES_256_GCM_SHA384/);
    t.regex(heard(), /no peer certificate available/);
    client.kill();

    // Another key under this ID.
    await type(asked);
    const [, refused] = begin(block(page, "sh", "connect"));
    await eventually("it is refused", refused, { matches: /alert/ });
  },
);

testWith("openssl", "a key of any length that a KM gives is a session for OpenSSL", (t) => {
  if (find("python3") === undefined) return t.log("skipped, because python3 is not installed");
  const folder = mkdtempSync(join(tmpdir(), "psk-session-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "session.pem");
  for (const bytes of [8, 32, 128, 256]) {
    const key = Buffer.alloc(bytes, 0xab);
    const input = JSON.stringify({ keys: [{ key_ID: "x", key: key.toString("base64") }] });
    t.is(execFileSync("python3", [helper, file], { input }).toString(), "x\n");
    const text = execFileSync("openssl", ["sess_id", "-in", file, "-noout", "-text"]).toString();
    t.true(text.includes(key.toString("hex").toUpperCase()), `${bytes} bytes`);
  }
});
