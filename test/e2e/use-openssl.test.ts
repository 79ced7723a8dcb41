/** docs/use/openssl.md, typed by a test. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { systemClock } from "../../src/base/clock.ts";
import { seedSource } from "../emulator/source/seed.ts";
import { eventually } from "../eventually.ts";
import { find, testWith } from "../needs.ts";
import { freePort } from "../rig/free-port.ts";
import type { KmPair, PairApplication } from "../rig/km-pair.ts";
import { block, recipe } from "../rig/recipe.ts";
import { Rig } from "../rig/rig.ts";

const helper = fileURLToPath(new URL("../../docs/use/psk-session.py", import.meta.url));

testWith(
  "openssl",
  "OpenSSL speaks TLS with a key from both KMs, and not with another",
  async (t) => {
    if (find("curl") === undefined || find("python3") === undefined) {
      return t.log("skipped, because curl or python3 is not installed");
    }
    const rig = await Rig.start({
      source: seedSource({ seed: 3, blockBits: 8_192, blocks: 20, clock: systemClock }),
      baud: 0,
      keyBits: 256,
      realKms: true,
    });
    t.teardown(() => rig.close());
    const { alice, bob } = rig.kms as KmPair;
    const folder = mkdtempSync(join(tmpdir(), "qkd-use-"));
    t.teardown(() => rmSync(folder, { recursive: true }));
    copyFileSync(helper, join(folder, "psk-session.py"));
    for (const { applications } of [alice, bob]) {
      const { saeId, ca, cert, key } = applications[0] as PairApplication;
      copyFileSync(ca, join(folder, "ca.crt"));
      copyFileSync(cert, join(folder, `${saeId}.crt`));
      copyFileSync(key, join(folder, `${saeId}.key`));
    }
    const port = await freePort();
    const places = {
      "vpn-a": "app-a",
      "vpn-b": "app-b",
      "https://km-a.example:9445": alice.url,
      "https://km-b.example:9445": bob.url,
      "gw-b.example": "127.0.0.1",
      "4433": String(port),
    };
    const type = async (script: string) =>
      (await promisify(execFile)("bash", ["-e", "-o", "pipefail", "-c", script], { cwd: folder }))
        .stdout;
    const asked = block(recipe("openssl", places), "sh", "a");
    const id = await eventually("a key", () => type(asked), { matches: /^[0-9a-f-]{36}\n$/ });
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
