/** A state folder is one process's, wherever the other one runs. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { lockFolder } from "../../../../src/host/disk/lock.ts";
import { makeFifo } from "../../../emulator/fifo.ts";

test("a process that sees no socket of this one is kept out by the file, and its end frees it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-lock-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  // As one in another network namespace: it has the file alone.
  const hold = `import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync(${JSON.stringify(join(folder, "lock"))});
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    console.log("has it");
    setInterval(() => db, 1_000);`;
  const other = spawn(process.execPath, ["--input-type=module", "-e", hold], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => other.kill("SIGKILL"));
  await once(other.stdout, "data");
  await t.throwsAsync(lockFolder(folder), { code: "state.locked" });
  await t.throwsAsync(lockFolder(folder), { code: "state.locked" });
  other.kill("SIGKILL");
  await once(other, "exit");
  const lock = await lockFolder(folder);
  await t.throwsAsync(lockFolder(folder), { code: "state.locked" });
  lock.release();
  // What was put into it is nothing to go by.
  await writeFile(join(folder, "lock"), "no database");
  (await lockFolder(folder)).release();
  t.deepEqual(await readdir(folder), ["lock"]);
});

test("a folder that is not there, or whose lock is no file, is told", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-lock-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  await t.throwsAsync(lockFolder(join(folder, "none")), { code: "state.io" });
  await mkdir(join(folder, "lock"));
  await t.throwsAsync(lockFolder(folder), { code: "state.io" });
  await rm(join(folder, "lock"), { recursive: true });
  makeFifo(join(folder, "lock"));
  t.like(await t.throwsAsync(lockFolder(folder)), {
    code: "state.io",
    facts: { file: join(folder, "lock"), code: "ENXIO" },
  });
});
