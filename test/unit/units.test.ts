/** The units as systemd's own tools judge them. */

import { execFile } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { testWith } from "../needs.ts";

const run = promisify(execFile);
const units = fileURLToPath(new URL("../../systemd/", import.meta.url));
function readUnit(name: string): string {
  return readFileSync(join(units, name), "utf8");
}

/** Where systemd's own units are, which ours refer to. */
const system = ["/usr/lib/systemd/system", "/lib/systemd/system"].find(existsSync) ?? "";

/** Most that `systemd-analyze security` may find exposed, in its tenths. */
const limits = { "qkd-node.service": 15, "qkd-panel.service": 12, "qkd-console.service": 12 };
const others = ["qkd-console.path"];

/** A file system with our units, systemd's, and programs that do nothing. */
function tree(change: (unit: string) => string = (unit) => unit): string {
  const root = mkdtempSync(join(tmpdir(), "qkd-units-"));
  const own = join(root, "usr/lib/systemd/system");
  mkdirSync(own, { recursive: true });
  cpSync(system, own, { recursive: true, dereference: false, verbatimSymlinks: true });
  for (const name of [...Object.keys(limits), ...others]) {
    writeFileSync(join(own, name), change(readUnit(name)));
  }
  for (const program of [
    "usr/lib/qkd-node/bin/qkd-node",
    "usr/lib/qkd-node/bin/qkd-panel",
    "bin/kill",
    "bin/sleep",
  ]) {
    mkdirSync(dirname(join(root, program)), { recursive: true });
    writeFileSync(join(root, program), "#!/bin/sh\n");
    chmodSync(join(root, program), 0o755);
  }
  return root;
}

async function complaints(root: string): Promise<string> {
  try {
    const args = ["verify", "--man=no", `--root=${root}`, ...Object.keys(limits), ...others];
    const { stderr } = await run("systemd-analyze", args);
    return ours(stderr);
  } catch (error) {
    return ours((error as { stderr: string }).stderr) || String(error);
  }
}

/** Other packages' units may have faults of their own. */
function ours(text: string): string {
  return text
    .split("\n")
    .filter((line) => line.includes("qkd-"))
    .join("\n");
}

testWith("systemd-analyze", "systemd finds nothing wrong with the units", async (t) => {
  const root = tree();
  t.teardown(() => rmSync(root, { recursive: true }));
  t.is(await complaints(root), "");
});

testWith("systemd-analyze", "systemd would find a key that does not exist", async (t) => {
  const root = tree((unit) => `${unit}\nBogus=1\n`);
  t.teardown(() => rmSync(root, { recursive: true }));
  t.regex(await complaints(root), /Bogus/);
});

for (const [name, threshold] of Object.entries(limits)) {
  testWith("systemd-analyze", `${name} exposes at most ${threshold / 10}`, async (t) => {
    const args = ["security", "--offline=true", "--no-pager", `--threshold=${threshold}`];
    const good = await run("systemd-analyze", [...args, join(units, name)]);
    t.regex(good.stdout, /Overall exposure level/);
    const loose = mkdtempSync(join(tmpdir(), "qkd-unit-"));
    t.teardown(() => rmSync(loose, { recursive: true }));
    const weaker = readUnit(name).replace(/^(ProtectSystem|SystemCallFilter)=.*\n/gm, "");
    writeFileSync(join(loose, name), weaker);
    await t.throwsAsync(run("systemd-analyze", [...args, join(loose, name)]));
  });
}

testWith(
  "systemd-sysusers",
  "users and groups of the units are made by sysusers",
  async (t, path) => {
    const root = mkdtempSync(join(tmpdir(), "qkd-users-"));
    t.teardown(() => rmSync(root, { recursive: true }));
    mkdirSync(join(root, "etc"));
    await run(path, [`--root=${root}`, join(units, "sysusers.conf")]);
    const passwd = await run("cat", [join(root, "etc/passwd"), join(root, "etc/group")]);
    for (const name of [
      "qkd-node:x:971:971:",
      "qkd-panel:x:972:972:",
      "qkd-maintenance:x:973:973:",
      "qkd-module:x:970:",
    ]) {
      t.true(passwd.stdout.includes(name), name);
    }
  },
);
