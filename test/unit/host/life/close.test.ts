/** A program that is told to stop while a thread of it hangs in the kernel, on a disk that is away. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ExecutionContext } from "ava";
import { testWith } from "../../../needs.ts";
import { HungDisk } from "../../../rig/hung-disk.ts";

const source = (file: string) => JSON.stringify(join(import.meta.dirname, "../../../..", file));

const given = `
import { open } from "node:fs/promises";
import { closeOrEnd } from ${source("src/host/life/close.ts")};
import { startInTime } from ${source("src/host/life/start.ts")};
import { createLog } from ${source("src/base/log.ts")};
import { ManualClock } from ${source("test/clock.ts")};
const clock = new ManualClock();
const log = createLog((line) => process.stderr.write(line + "\\n"), "info");
const hung = () => open(process.argv[1], "r");
`;

const closes = `${given}
const house = new AsyncDisposableStack();
house.defer(hung);
const closing = closeOrEnd(house, clock, 4000, log);
await clock.advance(4000);
await closing;
`;

const starts = `${given}
const stop = Promise.withResolvers();
const start = startInTime(hung(), { stop: stop.promise, limitMs: 4000, clock, log });
await clock.advance(70000);
stop.resolve();
await clock.advance(4000);
await start;
`;

/** @returns what ended it, and what it said */
async function run(t: ExecutionContext, program: string) {
  const folder = mkdtempSync(join(tmpdir(), "qkd-hung-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const disk = new HungDisk(folder, "hung.disk");
  disk.hang();
  const args = ["--input-type=module-typescript", "-e", program, join(folder, "hung.disk")];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, ...disk.environment },
  });
  t.teardown(() => void child.kill("SIGKILL"));
  const said: string[] = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  const [, signal] = await once(child, "close");
  return { signal, said: said.join("") };
}

const late = `level=warn msg="not everything stopped in time (limit_ms=4000)"\n`;

testWith("gcc", "a program whose disk hangs ends in the time that it has to stop", async (t) => {
  t.deepEqual(await run(t, closes), { signal: "SIGKILL", said: late });
});

testWith(
  "gcc",
  "a start on a disk that hangs is told, and ends when it is told to stop",
  async (t) => {
    const said = [10, 70].map(
      (s) => `level=warn msg="still starting: what it waits for may be its disk" for_s=${s}\n`,
    );
    t.deepEqual(await run(t, starts), { signal: "SIGKILL", said: `${said.join("")}${late}` });
  },
);
