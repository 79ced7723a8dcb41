import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { withSecretFile } from "../../../../src/host/disk/secret-file.ts";

const source = join(import.meta.dirname, "../../../../src");
/** Far beyond what a process takes to start, ms. */
const hangs = 60_000;
const named = { code: "config.file", what: "the key" } as const;

function folderWithPipe(t: { teardown(fn: () => void): void }): [string, string] {
  const folder = mkdtempSync(join(tmpdir(), "qkd-secret-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const pipe = join(folder, "pipe");
  execFileSync("mkfifo", ["-m", "600", pipe]);
  return [folder, pipe];
}

/** Reading a pipe stops the whole process: a child, which is given up. */
function inChild(text: string): string {
  const ran = spawnSync(process.execPath, ["--input-type=module", "-e", text], {
    encoding: "utf8",
    timeout: hangs,
  });
  return ran.signal === null ? `${ran.stdout}${ran.stderr}` : "it hung";
}

test("a pipe in place of a secret is refused, and keeps no program waiting", (t) => {
  const [folder, pipe] = folderWithPipe(t);
  const said = inChild(`
    import { withSecretFile } from "${source}/host/disk/secret-file.ts";
    try {
      withSecretFile("${pipe}", 64, ${JSON.stringify(named)}, () => {});
    } catch ({ message, facts }) { console.log(message, facts.file); }`);
  t.is(said, `the key cannot be read: it is no file, but a pipe or a device ${pipe}\n`);
  t.throws(() => withSecretFile(folder, 64, named, () => {}), { message: /it is a folder/ });
  t.throws(() => withSecretFile("/dev/null", 64, named, () => {}), { message: /a device/ });
});

test("a support bundle, and the first certificates, go past a pipe that a configuration names", (t) => {
  const [folder, pipe] = folderWithPipe(t);
  const said = inChild(`
    import { secretsOf } from "${source}/ops/support/machine.ts";
    import { settleFirst } from "${source}/ops/renewal/first.ts";
    const found = secretsOf({ manager: { key: "pipe" } }, "${folder}/node.toml");
    const sets = [{ for: "manager", cert: "/none/pipe", key: "/none/key" }];
    settleFirst({ est: { first: "${folder}" }, stateDir: "/none", sets });
    console.log(found.length, ${JSON.stringify(pipe)});`);
  t.is(said, `0 ${pipe}\n`);
});
