/** Tools whose output cannot be written: a full disk, a reader that has seen enough. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";

const root = join(import.meta.dirname, "../../..");

const tools: Readonly<Record<string, readonly string[]>> = {
  certificates: ["scripts/certificates.d/main.ts", "--help"],
  weaknesses: ["scripts/weaknesses.d/main.ts", "--help"],
  "lint-imports": ["scripts/lint-imports.ts", "--help"],
  release: ["scripts/release.d/main.ts", "--help"],
  "conform:km": ["scripts/conform/km.ts", "--list"],
  site: ["scripts/site.d/main.ts", "--help"],
  image: ["scripts/image.d/main.ts", "--help"],
  deb: ["scripts/deb.d/main.ts", "--help"],
  bench: ["scripts/bench/main.ts", "--help"],
  emulator: ["test/emulator/cli.ts", "--help"],
  km: ["test/emulator/km/cli.ts", "--help"],
  "panel-emulator": ["test/emulator/panel/cli.ts", "--help"],
  manager: ["scripts/manager.d/main.ts", "--help"],
  contract: ["scripts/contract.d/main.ts", "--help"],
  fleet: ["scripts/fleet/main.ts", "--help"],
  soak: ["scripts/soak/main.ts", "--help"],
};

for (const [name, [file = "", ...args]] of Object.entries(tools)) {
  test(`${name}: a disk that is full is told in a line`, (t) => {
    const full = openSync("/dev/full", "w");
    t.teardown(() => closeSync(full));
    const { status, stderr } = spawnSync(process.execPath, [join(root, file), ...args], {
      encoding: "utf8",
      stdio: ["ignore", full, "pipe"],
    });
    t.is(status, 74, stderr);
    t.is(stderr, `${name}: the output cannot be written: ENOSPC: no space left on device, write\n`);
    const help = spawnSync(process.execPath, [join(root, file), "--help"], { encoding: "utf8" });
    // The lint is for who works here, and has no codes of its own.
    const told = /exit codes:[\s\S]*\b74\s+(?:the|can)/i;
    if (name !== "lint-imports") t.regex(help.stdout, told);
  });
}

test("a reader that is gone ends a tool without a word, and its files are there", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-tool-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const script = join(root, "scripts/certificates.d/main.ts");
  const child = spawn(process.execPath, [script, join(folder, "certs")], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  child.stdout.destroy();
  let said = "";
  child.stderr.on("data", (chunk) => {
    said += chunk;
  });
  t.deepEqual([await once(child, "close"), said], [[141, null], ""]);
});
