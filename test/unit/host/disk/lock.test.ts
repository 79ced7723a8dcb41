/** A state folder is one process's, wherever the other one runs. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
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

/** A user of this machine who is none of ours. */
const stranger = 65_534;
const asRoot = process.getuid?.() === 0 ? test : test.skip;

/** A process that has a name in the abstract namespace. @param uid whose it becomes before it takes it */
async function takeName(t: ExecutionContext, name: string, uid?: number): Promise<ChildProcess> {
  const take = `${uid === undefined ? "" : `process.setgid(${uid}); process.setuid(${uid});`}
    require("node:net").createServer()
      .listen({ path: "\\0${name}" }, () => console.log("has it"));`;
  const other = spawn(process.execPath, ["-e", take], { stdio: ["ignore", "pipe", "inherit"] });
  t.teardown(() => other.kill("SIGKILL"));
  await once(other.stdout, "data");
  return other;
}

asRoot("a stranger who took the name of a folder's lock keeps no program from it", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-lock-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { dev, ino } = await stat(folder);
  await takeName(t, `qkd-node/${dev}/${ino}`, stranger);
  const lock = await lockFolder(folder);
  t.teardown(() => lock.release());
  // The file locks all the same.
  t.false(await canLock(folder));
});

test("who of ours has the name keeps out others, also where the file was removed", async (t) => {
  const folder = await mkdtemp(join(tmpdir(), "qkd-lock-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const { dev, ino } = await stat(folder);
  const other = await takeName(t, `qkd-node/${dev}/${ino}`);
  await t.throwsAsync(lockFolder(folder), { code: "state.locked" });
  t.deepEqual(await readdir(folder), []);
  other.kill("SIGKILL");
  await once(other, "exit");
  (await lockFolder(folder)).release();
});

/** Whether another process can lock the file. */
async function canLock(folder: string): Promise<boolean> {
  const lock = `const { DatabaseSync } = require("node:sqlite");
    const db = new DatabaseSync(${JSON.stringify(join(folder, "lock"))}, { timeout: 0 });
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");`;
  const other = spawn(process.execPath, ["-e", lock], { stdio: "ignore" });
  const [code] = await once(other, "exit");
  return code === 0;
}
