import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test from "ava";

const demo = fileURLToPath(new URL("../../scripts/demo/main.ts", import.meta.url));
const fixtures = fileURLToPath(new URL("../fixtures/qcrypto/", import.meta.url));

/** Runs what `npm start -- …` runs. */
async function start(...args: string[]) {
  const child = spawn(process.execPath, [demo, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  child.stdout.on("data", (chunk) => out.push(chunk));
  child.stderr.on("data", (chunk) => err.push(chunk));
  const [code] = await once(child, "close");
  return { code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() };
}

const recordings = [
  { name: "qber-1.5pct", bits: 36_266 + 36_206 + 36_213, qber: [0.0146, 0.0147, 0.0147] },
  { name: "qber-3pct", bits: 46_890, qber: [0.0316, 0.0286, 0.0312, 0.0307] },
  { name: "qber-7.5pct", bits: 8_021 + 8_155, qber: [0.0747, 0.0738] },
];

for (const { name, bits, qber } of recordings) {
  test.serial(`the recording ${name} arrives whole and identical at both KMs`, async (t) => {
    const { code, stdout, stderr } = await start("--replay", fixtures + name, "--json");
    t.is(code, 0, stderr);
    const { ends, mismatches, seconds } = JSON.parse(stdout);
    const keys = qber.length;
    const end = { supplied: keys, confirmed: keys, withheld: 0, empty_blocks: 0, bits, qber };
    t.deepEqual(ends, { alice: end, bob: end });
    t.is(mismatches, 0);
    t.true(seconds > 0);
  });
}

test.serial(
  "a recording in which nothing was distilled supplies nothing and says so",
  async (t) => {
    const folder = `${fixtures}qber-12.5pct-no-key`;
    const { code, stdout } = await start("--replay", `${folder}/alice`, `${folder}/bob`, "--json");
    t.is(code, 0);
    const qber = [0.1257, 0.1215];
    const end = { supplied: 0, confirmed: 0, withheld: 0, empty_blocks: 2, bits: 0, qber };
    t.deepEqual(JSON.parse(stdout).ends, { alice: end, bob: end });
  },
);

test.serial("--keys ends the run once both KMs hold that many keys", async (t) => {
  const { code, stdout } = await start("--seed", "7", "--keys", "20", "--json", "--baud", "0");
  t.is(code, 0);
  const { ends, mismatches } = JSON.parse(stdout);
  t.true(ends.alice.confirmed >= 20 && ends.bob.confirmed >= 20);
  t.is(mismatches, 0);
});

test.serial("more keys than a recording has is not a failure: it is exhausted", async (t) => {
  const args = ["--replay", `${fixtures}qber-7.5pct`, "--keys", "99", "--json"];
  t.is((await start(...args)).code, 0);
});

test.serial("Ctrl-C leaves no process, device or folder behind", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  const child = spawn(process.execPath, [demo, "--seed", "1"], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, TMPDIR: folder },
  });
  // The first line shows keys, so everything is up.
  await once(child.stderr, "data");
  t.is(readdirSync(folder).length, 1);
  child.kill("SIGINT");
  const [code] = await once(child, "close");
  t.is(code, 0);
  t.deepEqual(readdirSync(folder), []);
  rmSync(folder, { recursive: true });
});

test.serial("a wrong command line is told and ends with 64", async (t) => {
  for (const args of [["--seed", "x"], ["--replay"], ["--nonsense"], ["stray"]]) {
    const { code, stdout, stderr } = await start(...args);
    t.is(code, 64);
    t.is(stdout, "");
    t.regex(stderr, /^npm start: .+/);
  }
});

test.serial("a recording that is not there is told, and nothing is started", async (t) => {
  const { code, stderr } = await start("--replay", "/nonexistent", "--json");
  t.is(code, 1);
  t.regex(stderr, /no such recording/);
});
