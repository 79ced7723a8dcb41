import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { checkPskConfig, loadPskConfig } from "../../../src/psk/config/load.ts";
import { createAuthority } from "../../emulator/certificates.ts";

/** A configuration of a master, beside the files that it names. */
async function configured(t: ExecutionContext) {
  const folder = mkdtempSync(join(tmpdir(), "psk-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const authority = await createAuthority("test CA");
  const [own, other] = await Promise.all(
    ["a", "b"].map((name) => authority.issue({ commonName: name, dns: [name], usage: "both" })),
  );
  const old = await authority.issue({ commonName: "a", usage: "both", days: -1 });
  const write = (name: string, text = "") =>
    writeFileSync(`${folder}/${name}`, text, { mode: 0o600 });
  write("ca", authority.cert);
  write("cert", own?.cert);
  write("key", own?.key);
  write(
    "psk.toml",
    `role = "master"
state_dir = "/run/x"
[km]
url = "https://km"
ca = "ca"
cert = "cert"
key = "key"
[peer]
sae = "b"
host = "h"
port = 1
[command]
run = ["true"]
`,
  );
  return { file: `${folder}/psk.toml`, folder, write, own, other, old };
}

function told(file: string, wall: number): string[] {
  try {
    checkPskConfig(file, wall);
    return [];
  } catch (error) {
    return [...(error as { located: string[] }).located];
  }
}

test("check-config looks into certificates and keys; a start does not", async (t) => {
  const { file, folder, write, own, other, old } = await configured(t);
  t.deepEqual(told(file, Date.now()), []);

  write("key", other?.key);
  t.deepEqual(told(file, Date.now()), [
    `${file}:7: km.key: ${folder}/key belongs to another certificate`,
  ]);
  t.is(loadPskConfig(file).role, "master");

  write("cert", old.cert);
  write("key", old.key);
  t.regex(told(file, Date.now()).join("\n"), /^.*:6: km\.cert: .*\/cert expired on \d{4}-/);

  write("cert", own?.cert);
  write("key", own?.key);
  write("ca", "garbage");
  t.regex(told(file, Date.now()).join("\n"), /^.*:5: km\.ca: .*\/ca /);
});
