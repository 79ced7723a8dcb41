/** A program that is told to stop while a thread of it hangs in the kernel, on a disk that is away. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { testWith } from "../../../needs.ts";
import { hungFiles } from "../../../rig/hung-files.ts";

const source = (file: string) => JSON.stringify(join(import.meta.dirname, "../../../..", file));

const program = `
import { open } from "node:fs/promises";
import { closeWithin, endAtOnce } from ${source("src/host/life/close.ts")};
import { ManualClock } from ${source("test/clock.ts")};
const clock = new ManualClock();
const house = new AsyncDisposableStack();
house.defer(() => open(process.argv[1], "r"));
const closing = closeWithin(house, clock, 4000).catch((error) => {
  process.stderr.write(error.code + "\\n");
  endAtOnce();
});
await clock.advance(4000);
await closing;
`;

testWith("gcc", "a program whose disk hangs ends in the time that it has to stop", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "qkd-hung-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const preload = hungFiles(folder, "hung.disk");
  const args = ["--input-type=module-typescript", "-e", program, join(folder, "hung.disk")];
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, LD_PRELOAD: preload },
  });
  t.teardown(() => void child.kill("SIGKILL"));
  const said: string[] = [];
  child.stderr.on("data", (text) => said.push(String(text)));
  const [, signal] = await once(child, "close");
  t.is(signal, "SIGKILL");
  t.is(said.join(""), "stopped\n");
});
