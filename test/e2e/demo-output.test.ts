/** What `npm start` cannot write is told, is its exit code, and leaves nothing behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdirSync, mkdtempSync, openSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../eventually.ts";
import { testWhole } from "../needs.ts";

const demo = fileURLToPath(new URL("../../scripts/demo/main.ts", import.meta.url));
const recording = fileURLToPath(new URL("../fixtures/qcrypto/qber-1.5pct", import.meta.url));

/** @param name of the folder for temporary files */
function begin(
  t: ExecutionContext,
  args: readonly string[],
  stdout: "ignore" | number,
  name = "run",
) {
  const around = mkdtempSync(join(tmpdir(), "qkd-demo-test-"));
  t.teardown(() => rmSync(around, { recursive: true, force: true }));
  const temporary = join(around, name);
  mkdirSync(temporary);
  const child = spawn(process.execPath, [demo, ...args], {
    stdio: ["ignore", stdout, "pipe"],
    env: { ...process.env, TMPDIR: temporary },
  });
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  child.stderr?.on("data", (chunk) => {
    said += chunk;
  });
  const closed = once(child, "close");
  return { temporary, ended: async () => ({ code: (await closed)[0], said }) };
}

function full(t: ExecutionContext): number {
  const device = openSync("/dev/full", "w");
  t.teardown(() => closeSync(device));
  return device;
}

testWhole.serial("--endpoints FILE whose folder goes away ends the run in order", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-endpoints-"));
  const file = join(folder, "endpoints.json");
  const { temporary, ended } = begin(t, ["--link", "--seed", "1", "--endpoints", file], "ignore");
  await eventually("the run has begun", () => readdirSync(temporary).length > 0);
  rmSync(folder, { recursive: true });
  const { code, said } = await ended();
  t.is(code, 1);
  t.regex(said, /^npm start: ENOENT: .*endpoints\.json/m);
  t.notRegex(said, /\n +at /);
  t.deepEqual(readdirSync(temporary), []);
});

testWhole.serial("an object that cannot be printed is no success", async (t) => {
  const { temporary, ended } = begin(t, ["--link", "--replay", recording, "--json"], full(t));
  const { code, said } = await ended();
  t.is(code, 1);
  t.regex(said, /^npm start: the output cannot be written: ENOSPC/m);
  t.deepEqual(readdirSync(temporary), []);
});

test.serial("help that cannot be printed is told in a line", async (t) => {
  const { code, said } = await begin(t, ["--help"], full(t)).ended();
  t.is(code, 74);
  t.is(said, "npm start: the output cannot be written: no space left (ENOSPC)\n");
});

test.serial("a place where --endpoints cannot write is told before anything starts", async (t) => {
  for (const [file, why] of [
    ["/nonexistent/endpoints.json", /\/nonexistent cannot be written to: ENOENT/],
    [tmpdir(), /is a folder, not a file/],
  ] as const) {
    const { code, said } = await begin(t, ["--endpoints", file], "ignore").ended();
    t.is(code, 64);
    t.regex(said, why);
  }
});

test.serial("a program that does not start is told with what it logged last", async (t) => {
  // Too long for the path of a local socket.
  const { temporary, ended } = begin(t, ["--link"], "ignore", "x".repeat(120));
  const { code, said } = await ended();
  t.is(code, 1);
  t.regex(said, /^npm start: [\s\S]*path of the local socket is too long/m);
  t.deepEqual(readdirSync(temporary), []);
});
