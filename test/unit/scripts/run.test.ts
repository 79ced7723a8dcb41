/** A run of tests ends, and says who held it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { eventually } from "../../eventually.ts";

const root = join(import.meta.dirname, "../../..");

/** A project of one test file, run as `npm test` runs ours. */
function started(t: ExecutionContext, body: string, timeout: string) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-run-"));
  t.teardown(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  const own = { require: [join(root, "test/worker.ts")], workerThreads: false };
  const ava = { files: ["one.test.js"], ...own, timeout };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", ava }));
  writeFileSync(
    join(folder, "one.test.js"),
    `import { spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import test from "ava";
test("it leaves a process behind", async (t) => {
  const { pid } = spawn("sh", ["-c", "sleep 7654 & wait"], { stdio: "ignore" });
  writeFileSync("pid", String(pid));
  ${body}
});
`,
  );
  const child = spawn(process.execPath, [join(root, "scripts/test.mjs")], {
    cwd: folder,
    stdio: ["ignore", "pipe", "pipe"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  let said = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      said += text;
    });
  }
  const pid = () => Number(readFileSync(join(folder, "pid"), "utf8"));
  /** It has begun what it is to leave behind. */
  const begun = () => {
    const child = readFileSync(`/proc/${pid()}/task/${pid()}/children`, "utf8").trim();
    return readFileSync(`/proc/${child}/cmdline`, "utf8").startsWith("sleep");
  };
  // Its parent is gone too: it may wait for someone to ask how it ended.
  const runs = () => {
    const status = `/proc/${pid()}/status`;
    return existsSync(status) && !/State:\s+Z/.test(readFileSync(status, "utf8"));
  };
  return { child, said: () => said, begun, runs, closed: once(child, "close") };
}

const never = "t.timeout(600_000); await new Promise((resolve) => setTimeout(resolve, 600_000));";

test("a run that is stopped names the test file and the processes that hold it", async (t) => {
  const { child, said, begun, runs, closed } = started(t, never, "10m");
  await eventually("the process and its own", begun);
  child.kill("SIGTERM");
  t.deepEqual(await closed, [1, null]);
  t.regex(said(), /stopped: these hold the run, and are ended:\n/);
  t.regex(said(), /^ +\d+ one\.test\.js$/m);
  t.regex(said(), /^ +\d+ sleep 7654$/m);
  await eventually("the process is gone", () => !runs());
});

test("what a test left running is named, is a failure, and ends", async (t) => {
  const { said, closed, runs } = started(t, "t.pass();", "10s");
  t.deepEqual(await closed, [1, null], said());
  t.regex(said(), /Failed to exit when running one\.test\.js/);
  t.regex(said(), /one\.test\.js left running: sleep 7654/);
  await eventually("the process is gone", () => !runs());
});

test("what a test left running ends when AVA gives the test up", async (t) => {
  const { said, closed, runs } = started(t, never.replace(/t\.timeout\S+ /, ""), "10s");
  t.deepEqual(await closed, [1, null]);
  t.regex(said(), /Timed out/);
  await eventually("the process is gone", () => !runs());
});
