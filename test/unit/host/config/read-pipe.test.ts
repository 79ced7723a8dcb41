/** A configuration in a pipe: it is waited for so long, can be ended meanwhile, and is read again from memory. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { type Clock, systemClock } from "../../../../src/base/clock.ts";
import { readConfigBytes } from "../../../../src/host/config/read-bytes.ts";
import { makeFifo, openFifo } from "../../../emulator/fifo.ts";

function pipe(t: { teardown(act: () => unknown): void }): string {
  const folder = mkdtempSync(join(tmpdir(), "qkd-pipe-"));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  const path = join(folder, "node.toml");
  makeFifo(path);
  return path;
}

/** Each look at it is a second later. */
const hasty = (): Clock => {
  let now = 0;
  return { ...systemClock, now: () => (now += 1_000) };
};

test("a pipe to which nothing writes is given up, by its name and the limit", (t) => {
  const path = pipe(t);
  t.throws(() => readConfigBytes(path, hasty()), {
    code: "config.file",
    message: `${path}: a pipe to which nothing was written for 5 s`,
  });
});

test("a pipe whose writer is silent is given up later", (t) => {
  const path = pipe(t);
  const writer = openFifo(path, 4_096);
  t.teardown(() => closeSync(writer));
  writeSync(writer, "a = ");
  t.throws(() => readConfigBytes(path, hasty()), {
    code: "config.file",
    message: `${path}: a pipe to which nothing more was written for 60 s`,
  });
});

const reader = new URL("../../../../src/host/config/read-bytes.ts", import.meta.url).pathname;
const signals = new URL("../../../../src/host/life/signals.ts", import.meta.url).pathname;

test("what waits for a pipe is ended by the signal that stops a program", async (t) => {
  const path = pipe(t);
  const program = `import { catchSignals, daemonSignals } from ${JSON.stringify(signals)};
    import { readConfigBytes } from ${JSON.stringify(reader)};
    catchSignals(daemonSignals);
    process.stdout.write("begins", () => readConfigBytes(${JSON.stringify(path)}));`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => child.kill("SIGKILL"));
  await once(child.stdout, "data");
  // Its writer says nothing: it would wait for a minute.
  const writer = openFifo(path, 4_096);
  t.teardown(() => closeSync(writer));
  // The first may come before it begins to read.
  const again = setInterval(() => child.kill("SIGTERM"), 20);
  t.teardown(() => clearInterval(again));
  t.deepEqual(await once(child, "exit"), [null, "SIGTERM"]);
});

test("a pipe is read again as it was, though it has no more to say; a file as it is", async (t) => {
  const path = pipe(t);
  const program = `import { writeFileSync } from "node:fs";
    writeFileSync(${JSON.stringify(path)}, "a = 1");`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: "inherit",
  });
  t.teardown(() => child.kill("SIGKILL"));
  const bytes = readConfigBytes(path);
  t.is(bytes.toString(), "a = 1");
  bytes.fill(0);
  t.is(readConfigBytes(path).toString(), "a = 1");
  rmSync(path);
  writeFileSync(path, "a = 2");
  t.is(readConfigBytes(path).toString(), "a = 2");
});
