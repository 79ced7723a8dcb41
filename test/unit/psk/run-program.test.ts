import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { type Clock, systemClock } from "../../../src/base/clock.ts";
import { describe, Fault } from "../../../src/base/errors.ts";
import { ProgramTunnel } from "../../../src/psk/io/run-program.ts";
import { ManualClock } from "../../clock.ts";
import { eventually } from "../../eventually.ts";

const key = Buffer.alloc(32, 7);

function tunnel(
  t: ExecutionContext,
  command: readonly [string, ...string[]],
  clock: Clock,
  name = "psk-",
) {
  const folder = mkdtempSync(join(tmpdir(), name));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return {
    folder,
    tunnel: new ProgramTunnel({ command, format: "hex", isRepeatable: false, folder, clock }),
  };
}

/** The process whose number stands in a file, until the test is over. */
function processIn(t: ExecutionContext, file: string): number {
  const pid = Number(readFileSync(file, "utf8"));
  t.teardown(() => isThere(pid) && process.kill(pid, "SIGKILL"));
  return pid;
}

/** A process that ended, and that no other has asked about yet, is not there. */
function isThere(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}

async function whyNot(install: Promise<void>): Promise<string> {
  try {
    await install;
  } catch (error) {
    return error instanceof Fault ? describe(error) : `no fault: ${error}`;
  }
  return "";
}

test("a program that leaves one of its own running is done when it ends", async (t) => {
  const script = 'sleep 300 & echo $! >"$0.pid"; cp "$0" "$0.seen"';
  const { folder, tunnel: end } = tunnel(t, ["sh", "-c", script, "%f"], new ManualClock());
  t.is(await whyNot(end.install(key)), "");
  const pid = processIn(t, `${folder}/install.pid`);
  t.is(readFileSync(`${folder}/install.seen`, "utf8"), `${"07".repeat(32)}\n`);
  t.true(isThere(pid), "what it started goes on");
  t.false(existsSync(`${folder}/install`));
});

test("one that fails is told of, also while another has its standard error", async (t) => {
  // Its own time is never over, however slow the machine is.
  const clock = {
    ...{ now: () => 0, wall: () => 0 },
    after: (ms: number, fn: () => void) =>
      ms < 10_000 ? systemClock.after(ms, fn) : { cancel: () => {} },
  };
  const script = 'sleep 300 & echo $! >"$0.pid"; echo no such tunnel >&2; exit 3';
  const { folder, tunnel: end } = tunnel(t, ["sh", "-c", script, "%f"], clock);
  const wanted = "the tunnel did not take its key: no such tunnel: exit code 3 (program=sh)";
  t.is(await whyNot(end.install(key)), wanted);
  processIn(t, `${folder}/install.pid`);
});

test("one that does not end in time is killed with what it waits for", async (t) => {
  const clock = new ManualClock();
  const script = 'sleep 300 & echo $! >"$0.pid"; wait';
  const { folder, tunnel: end } = tunnel(t, ["sh", "-c", script, "%f"], clock);
  const told = whyNot(end.install(key));
  const pidFile = `${folder}/install.pid`;
  const written = () => existsSync(pidFile) && readFileSync(pidFile, "utf8") !== "";
  await eventually("it runs", written);
  const pid = processIn(t, pidFile);
  await clock.advance(10_000);
  t.is(await told, "the tunnel did not take its key: it was not done within 10 s (program=sh)");
  await eventually("the one that it waited for is gone", () => !isThere(pid));
  t.false(readdirSync(folder).includes("install"));
});

test("one that cannot be started is told of, whatever the reason", async (t) => {
  const long = "x".repeat(200_000);
  for (const [program, word, code] of [
    ["/nowhere/at-all", "", "ENOENT"],
    ["/etc/passwd/tunnel", "", "ENOTDIR"],
    ["/etc/passwd", "", "EACCES"],
    ["true", long, "E2BIG"],
  ] as const) {
    const { tunnel: end } = tunnel(t, [program, word], new ManualClock());
    const wanted = `the tunnel did not take its key: ${code} (program=${program})`;
    t.is(await whyNot(end.install(key)), wanted);
  }
});

test("a folder with dollar signs in its name is named to the program as it is", async (t) => {
  const script = 'cp "$0" "$0.seen"';
  const name = "psk-$&-$$-$`-";
  const { folder, tunnel: end } = tunnel(t, ["sh", "-c", script, "%f"], new ManualClock(), name);
  t.is(await whyNot(end.install(key)), "");
  t.is(readFileSync(`${folder}/install.seen`, "utf8"), `${"07".repeat(32)}\n`);
});
