import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";
import { programPath } from "../rig/programs.ts";

const emulator = fileURLToPath(new URL("../../scripts/emulator", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/qcrypto/", import.meta.url));

test("the emulator as a program shows two ports and leaves none behind", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-emulator-"));
  const args = [folder, "--replay", `${fixtures}qber-3pct`, "--json", "--block-interval-ms", "1"];
  const child = spawn(emulator, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  const [line] = await once(child.stdout, "data");
  t.true(existsSync(join(folder, "alice.tty")) && existsSync(join(folder, "bob.tty")));
  const state = JSON.parse(String(line).split("\n")[0] ?? "");
  t.like(state, { distilled: 4, bits: 46_890, alice: { session: "idle", held: 4, released: 0 } });
  child.kill("SIGINT");
  t.deepEqual(await once(child, "close"), [0, null]);
  t.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test("the emulator tells a wrong command line and a recording that is not there", (t) => {
  const run = (...args: string[]) => spawnSync(emulator, args, { encoding: "utf8" });
  for (const args of [[], ["/tmp/x", "--baud", "fast"], ["/tmp/x", "y"], ["--nonsense"]]) {
    t.is(run(...args).status, 64, args.join(" "));
  }
  const missing = run("/tmp/x", "--replay", "/nonexistent");
  t.is(missing.status, 65);
  t.regex(missing.stderr, /^emulator: there is no such recording/);
});

test("probe says what answers on a port, and takes nothing from it", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-probe-"));
  const args = [folder, "--seed", "1", "--blocks", "3", "--json", "--block-interval-ms", "1"];
  const child = spawn(emulator, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const node = programPath("qkd-node");
  const run = (...more: string[]) => spawnSync(node, ["probe", ...more], { encoding: "utf8" });
  const found = run(join(folder, "bob.tty"), "--baud", "115200");
  t.is(found.status, 0, found.stderr);
  t.regex(found.stdout, /module ID +QKD-B-0001 \(bob\)/);
  t.regex(found.stdout, /protocol +QMLP 1\n/);
  t.regex(found.stdout, /qber +0\.0\d+\n/);
  t.regex(found.stdout, /0 bad, 0 sent again/);
  t.true(found.stdout.split("\n").every((line) => line.length <= 80));
  const [line] = await once(child.stdout, "data");
  t.like(JSON.parse(String(line).trim().split("\n").at(-1) ?? ""), {
    bob: { held: 3, released: 0 },
  });
  const missing = run(join(folder, "none.tty"));
  t.is(missing.status, 69);
  t.regex(missing.stderr, /cannot open serial port: there is no such device/);
  t.regex(run(folder).stderr, /cannot open serial port: it is a folder/);
  // By its name it is a card, also where there is none.
  const card = join(folder, "xdma0");
  t.regex(run(card).stderr, /cannot open PCIe device: there is no such device/);
  mkdirSync(`${card}_user`);
  t.regex(run(card).stderr, /cannot open PCIe device: it is a folder/);
  const circle = join(folder, "xdma1");
  symlinkSync("xdma1_user", `${circle}_user`);
  t.regex(run(circle).stderr, /cannot open PCIe device: its links lead in a circle/);
  t.is(run().status, 64);
  child.kill("SIGINT");
  await once(child, "close");
  rmSync(folder, { recursive: true });
});

test("probe tells of a PCIe card too, and of one whose module is silent", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-probe-"));
  const args = [folder, "--transport", "pcie", "--preset", "gys", "--km", "20", "--json"];
  const child = spawn(emulator, args, { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  const node = programPath("qkd-node");
  const run = () => spawnSync(node, ["probe", join(folder, "bob")], { encoding: "utf8" });
  const found = run();
  t.is(found.status, 0, found.stderr);
  t.regex(found.stdout, /card +QKD-B-0001, register map 1.1\n/);
  t.regex(found.stdout, /detector_counts +\d+, \d+ 1\/s\n/);
  t.true(found.stdout.split("\n").every((line) => line.length <= 80));
  const silenced = spawnSync(emulator, ["send", folder, "bob", "stall", "60000"]);
  t.is(silenced.status, 0);
  const silent = run();
  t.is(silent.status, 69);
  t.regex(silent.stdout, /card status +ready\n/);
  t.regex(silent.stderr, /nothing that speaks QMLP answers/);
  t.is(spawnSync(emulator, ["send", folder, "bob", "dance"]).status, 64);
  child.kill("SIGINT");
  await once(child, "close");
  t.deepEqual(readdirSync(folder), []);
  t.is(spawnSync(emulator, ["send", folder, "status"]).status, 69);
  rmSync(folder, { recursive: true });
});
