/** Files of a store that it shares with another, or that are none, are refused before anything is changed. */
import { closeSync } from "node:fs";
import { link, mkdtemp, readdir, readFile, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { describe, type Fault } from "../../../../src/base/errors.ts";
import { diskFiles } from "../../../../src/host/disk/files.ts";
import { checkStore, repairStore } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { openOwn } from "../../../../src/km/io/engine/own-file.ts";
import { makeFifo, openFifo } from "../../../emulator/fifo.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);
const limitBytes = 1e9;

/** A store that is closed, with keys that wait and an extent. */
async function closedStore(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-own-"));
  t.teardown(() => rm(folder, { recursive: true }));
  const { store } = await open(folder);
  const keys = [1, 2].map((n) => {
    return { id: Buffer.alloc(16, n), bits: 800, bytes: Buffer.alloc(100, n) };
  });
  await new Promise<void>((done) => {
    putKeys(store, "m", keys, ([first]) => {
      const handles = [first?.handle ?? 0];
      store.commit({ extents: [{ link: "ab", number: 1, length: 100, handles }] }, done);
    });
  });
  await store.close();
  return folder;
}

function open(folder: string) {
  const onFailure = (fault: Fault) => {
    throw fault;
  };
  return openEngine({ folder, masterKey, limitBytes, wipeAfter: ms(600_000), onFailure });
}

async function fileIn(folder: string, kind: "books" | "intake" | "volumes"): Promise<string> {
  if (kind === "books") return join(folder, "books.sqlite");
  const [name = ""] = await readdir(join(folder, kind));
  return join(folder, kind, name);
}

async function refused(t: ExecutionContext, folder: string, file: string, why: RegExp) {
  for (const act of [open, (folder: string) => repairStore({ folder, masterKey, limitBytes })]) {
    const fault = (await t.throwsAsync(act(folder))) as Fault;
    t.is(fault.code, "km_store.io");
    t.true(describe(fault).includes(`file=${file},`), describe(fault));
    t.regex(describe(fault), why);
  }
  const looked = (await t.throwsAsync(checkStore({ folder, masterKey }))) as Fault;
  t.regex(describe(looked), why);
}

for (const kind of ["books", "intake", "volumes"] as const) {
  test(`a file that two stores have is refused: a hard link, or a symbolic one (${kind})`, async (t) => {
    const folder = await closedStore(t);
    const file = await fileIn(folder, kind);
    const before = await readFile(file);
    const other = `${folder}-${kind}`;
    t.teardown(() => rm(other, { force: true }));
    await link(file, other);
    await refused(t, folder, file, /it has another name as well/);
    await rm(file);
    await symlink(other, file);
    await refused(t, folder, file, /it is a symbolic link/);
    t.deepEqual(await readFile(other), before);
    await rename(other, file);
    await (await open(folder)).store.close();
  });
}

for (const end of ["", "-wal", "-shm"]) {
  test(`a pipe in place of books.sqlite${end} keeps no check waiting`, async (t) => {
    const folder = await closedStore(t);
    const file = join(folder, `books.sqlite${end}`);
    await rm(file, { force: true });
    makeFifo(file);
    // With its other end there: what waits for it in vain would not end.
    const other = openFifo(file, 4_096);
    t.teardown(() => closeSync(other));
    await refused(t, folder, file, /it is no file/);
  });
}

for (const how of ["as it is", "clean"] as const) {
  test(`a folder is no file that was cut, whatever length it has (${how})`, async (t) => {
    const folder = await mkdtemp(join(tmpdir(), "qkd-km-own-"));
    t.teardown(() => rm(folder, { recursive: true }));
    await t.throwsAsync(openOwn(diskFiles, folder, how), { code: "EISDIR" });
  });
}
