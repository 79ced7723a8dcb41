import { spawnSync } from "node:child_process";
import { hash, randomBytes } from "node:crypto";
import { cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import test, { type ExecutionContext } from "ava";
import { ms } from "../../../../src/base/duration.ts";
import { diskFiles, type FileSystem, noLink } from "../../../../src/host/disk/files.ts";
import { checkStore, isWhole } from "../../../../src/km/io/engine/check.ts";
import { openEngine } from "../../../../src/km/io/engine/open.ts";
import { systemError } from "../../../faults/disk.ts";
import { putKeys } from "../../../rig/stored-keys.ts";

const masterKey = Buffer.alloc(32, 5);

async function newFolder(t: ExecutionContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "qkd-km-as-it-is-"));
  t.teardown(() => rm(folder, { recursive: true }));
  return folder;
}

/** A store as it is after an orderly end, and as a kill leaves it: five keys wait. */
async function stores(t: ExecutionContext) {
  const [closed, killed] = [await newFolder(t), await newFolder(t)];
  const { store } = await openEngine({
    folder: closed,
    masterKey,
    limitBytes: 1e9,
    wipeAfter: ms(600_000),
    cycleMs: 0,
    onFailure: (fault) => t.fail(fault.message),
  });
  const keys = Array.from({ length: 5 }, () => {
    return { id: randomBytes(16), bits: 800, bytes: randomBytes(100) };
  });
  await new Promise((done) => putKeys(store, "m", keys, done));
  await cp(closed, killed, { recursive: true });
  await store.close();
  return { closed, killed };
}

/** All that can be seen of a folder: names, contents, and when they were written. */
async function all(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  const lines = found.map(async (one) => {
    const path = join(one.parentPath, one.name);
    const content = one.isFile() ? hash("sha256", await readFile(path)) : "folder";
    return `${path} ${(await stat(path)).mtimeMs} ${content}`;
  });
  return (await Promise.all(lines)).sort();
}

/** A disk that takes nothing. */
const readOnly: FileSystem = {
  ...diskFiles,
  open: async (path, flags, mode) => {
    if (flags !== "r" && flags !== noLink.read) throw systemError("EROFS");
    return diskFiles.open(path, flags, mode);
  },
  makeFolder: async () => {
    throw systemError("EROFS");
  },
};

for (const how of ["closed", "killed"] as const) {
  test(`a check writes nothing, of a store that was ${how}`, async (t) => {
    const folder = (await stores(t))[how];
    await rm(join(folder, "volumes"), { recursive: true });
    const before = await all(folder);
    const check = await checkStore({ folder, masterKey, files: readOnly });
    t.is(check.waiting_keys, 5);
    t.true(isWhole(check));
    t.deepEqual(await all(folder), before);
  });
}

test("nor does it leave an index that was not there", async (t) => {
  const { killed } = await stores(t);
  await rm(join(killed, "books.sqlite-shm"));
  const before = await all(killed);
  t.true((await stat(join(killed, "books.sqlite-wal"))).size > 0);
  t.is((await checkStore({ folder: killed, masterKey })).waiting_keys, 5);
  t.deepEqual(await all(killed), before);
});

const program = `
import { checkStore } from ${JSON.stringify(join(import.meta.dirname, "../../../../src/km/io/engine/check.ts"))};
const [folder, key] = process.argv.slice(2);
const { waiting_keys } = await checkStore({ folder, masterKey: Buffer.from(key, "hex") });
console.log(waiting_keys);
`;

/** Mounts it read-only for what is run there alone. */
const readOnlyMount =
  'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';

for (const [what, isThere] of [
  ["an index", true],
  ["no index", false],
] as const) {
  test(`a store that was killed, with ${what} of its -wal, is checked on a disk that is read-only`, async (t) => {
    const { killed } = await stores(t);
    if (!isThere) await rm(join(killed, "books.sqlite-shm"));
    const before = await all(killed);
    const check = join(await newFolder(t), "check.mts");
    await writeFile(check, program);
    const node = [process.execPath, check, killed, masterKey.toString("hex")];
    const args = ["--mount", "sh", "-c", readOnlyMount, "sh", killed, ...node];
    const { status, stdout, stderr } = spawnSync("unshare", args, { encoding: "utf8" });
    if (status !== 0 && /not permitted|denied/i.test(stderr)) return t.pass("needs root");
    t.is(stdout, "5\n", stderr);
    t.deepEqual(await all(killed), before);
  });
}

test("books of an older version stay as that one reads them", async (t) => {
  const { closed } = await stores(t);
  const books = join(closed, "books.sqlite");
  const database = new DatabaseSync(books);
  database.exec("DROP TABLE redo; PRAGMA user_version = 1");
  database.close();
  const before = await all(closed);
  t.is((await checkStore({ folder: closed, masterKey })).waiting_keys, 5);
  t.deepEqual(await all(closed), before);
});
