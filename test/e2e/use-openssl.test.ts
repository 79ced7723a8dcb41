/** docs/use/openssl.md, typed by a test. */
import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, statSync } from "node:fs";
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
