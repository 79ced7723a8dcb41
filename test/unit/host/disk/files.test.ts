/** What a program keeps is in files: a pipe or a device under the name of one is told, and waited for by no thread. */
import { closeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test from "ava";
import {
  diskFiles,
  durableWrites,
  exists,
  readWhole,
  replaceFile,
} from "../../../../src/host/disk/files.ts";
import { makeFifo, openFifo } from "../../../emulator/fifo.ts";

async function place(t: { teardown(act: () => unknown): void }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-files-"));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

for (const flags of ["r", "r+", durableWrites]) {
  test(`a pipe or a device is no file to open (${flags})`, async (t) => {
    const pipe = join(await place(t), "pipe");
    makeFifo(pipe);
    // With its other end there, so that opening would not wait.
    const other = openFifo(pipe, 4_096);
    t.teardown(() => closeSync(other));
    for (const path of [pipe, "/dev/zero"]) {
      const error = await t.throwsAsync(diskFiles.open(path, flags, 0o600), { code: "ENOTFILE" });
      t.is((error as { path?: string }).path, path);
    }
  });
}

test("a pipe without another end holds up nothing, and is something that has the name", async (t) => {
  const pipe = join(await place(t), "pipe");
  makeFifo(pipe);
  t.true(await exists(diskFiles, pipe));
  await t.throwsAsync(readWhole(diskFiles, pipe, 1_000), { code: "ENOTFILE" });
  // What is replaced is what has the name, whatever that is.
  await replaceFile(diskFiles, pipe, Buffer.from("text"));
  t.is((await readWhole(diskFiles, pipe, 1_000))?.toString(), "text");
});

test("files are opened by each of the ways that there are", async (t) => {
  const folder = await place(t);
  const path = join(folder, "file");
  t.false(await exists(diskFiles, path));
  for (const flags of ["wx+", "r+", durableWrites, "r", "a", "w"]) {
    await (await diskFiles.open(path, flags, 0o600)).close();
  }
  await t.throwsAsync(diskFiles.open(path, "wx", 0o600), { code: "EEXIST" });
  t.true(await exists(diskFiles, folder));
});

test("what fails in an open file names that file", async (t) => {
  const path = join(await place(t), "file");
  await replaceFile(diskFiles, path, Buffer.alloc(4));
  const file = await diskFiles.open(path, "r", 0o600);
  const one = Buffer.alloc(1);
  for (const failing of [file.write(one, 0, 1, 0), file.truncate(1)]) {
    t.is(((await t.throwsAsync(failing)) as { path?: string }).path, path);
  }
  await file.close();
  const folder = await diskFiles.open(path.slice(0, -"/file".length), "r", 0o600);
  const read = await t.throwsAsync(folder.read(one, 0, 1, 0), { code: "EISDIR" });
  t.is((read as { path?: string }).path, path.slice(0, -"/file".length));
  await folder.close();
});
