/** A device or a folder of a module is one process's. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import { hold } from "../../../../src/host/disk/hold.ts";

async function place(t: { teardown(act: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-hold-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

for (const kind of ["folder", "device"]) {
  test(`a ${kind} by any of its names is one process's, until that lets go of it`, async (t) => {
    const root = await place(t);
    const path = kind === "folder" ? root : join(root, "device");
    if (kind === "device") await writeFile(path, "");
    const held = await hold(path);
    t.truthy(held);
    await symlink(path, `${root}.link`);
    t.teardown(() => rm(`${root}.link`, { force: true }));
    t.is(await hold(`${root}.link`), undefined);
    held?.release();
    const again = await hold(`${root}.link`);
    t.truthy(again);
    again?.release();
  });
}

test("a process in another container is kept out by the file, and its end frees the folder", async (t) => {
  const folder = await place(t);
  // It sees no name that this one has: it has the file alone.
  const text = `import { DatabaseSync } from "node:sqlite";
    const db = new DatabaseSync(${JSON.stringify(join(folder, ".lock"))});
    db.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
    console.log("has it");
    setInterval(() => db, 1_000);`;
  const other = spawn(process.execPath, ["--input-type=module", "-e", text], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  t.teardown(() => other.kill("SIGKILL"));
  await once(other.stdout, "data");
  t.is(await hold(folder), undefined);
  other.kill("SIGKILL");
  await once(other, "exit");
  const held = await hold(folder);
  t.truthy(held);
  held?.release();
});

test("what is not there is not held: to open it says so", async (t) => {
  const held = await hold(join(await place(t), "none"));
  t.truthy(held);
  held?.release();
});
